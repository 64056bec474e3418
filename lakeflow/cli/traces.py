"""``lakeflow traces``: traces listed, shown, counted and followed."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from lakeflow.cli.repeating import repeat
from lakeflow.cli.sql import add_format, lines, write_to
from lakeflow.cli.terminal import cut, draw, write
from lakeflow.cli.values import duration
from lakeflow.entities import trace_lines
from lakeflow.entities.trace_page import document
from lakeflow.entities.trace_tree import whole_milliseconds
from lakeflow.open_store import open_store
from lakeflow.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow

    from lakeflow.entities import Trace, TraceInfo
    from lakeflow.stores.store import Store

    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]

_PAGE = 500
_MOST_PAGES = 10
"""Pages that ``tail`` looks at in one turn: more traces than these are told by their number."""

_REMEMBERED = 100_000
"""Traces whose state ``tail`` remembers."""

_LEAST_WORDS = 24
"""Characters that the words of a trace get on the narrowest terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for add in (_add_ls, _add_show, _add_count, _add_tail):
        add(verbs).add_argument(
            "--uri", help="location of the lake (default: LAKEFLOW_TRACKING_URI, ./lake)"
        )


def _add_ls(verbs: Verbs) -> argparse.ArgumentParser:
    listed = verbs.add_parser(
        "ls",
        help="list traces",
        description="List traces, those that began last first: id, start, duration, state, "
        "name, request.",
    )
    _add_conditions(listed)
    listed.add_argument(
        "--order",
        action="append",
        metavar="ORDER",
        help="as of a search: execution_time_ms DESC; may be repeated",
    )
    listed.add_argument(
        "--max", type=_count, default=100, metavar="N", help="most traces (default: 100)"
    )
    add_format(listed)
    listed.set_defaults(run=_ls)
    return listed


def _add_show(verbs: Verbs) -> argparse.ArgumentParser:
    shown = verbs.add_parser(
        "show",
        help="show a trace as a tree",
        description="Show what is known of a trace, and its spans as a tree with durations.",
    )
    shown.add_argument("trace_id", metavar="ID", help="id of the trace, tr-...")
    form = shown.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="all of it as JSON")
    form.add_argument(
        "--html", type=Path, metavar="FILE", help="write a page that needs no network"
    )
    form.add_argument(
        "--max-spans",
        type=_count,
        default=trace_lines.MOST_SPANS,
        metavar="N",
        help="most spans of the tree (default: 1000)",
    )
    shown.set_defaults(run=_show)
    return shown


def _add_count(verbs: Verbs) -> argparse.ArgumentParser:
    counted = verbs.add_parser("count", help="count traces", description="Count traces.")
    _add_conditions(counted)
    counted.set_defaults(run=_counted)
    return counted


def _add_tail(verbs: Verbs) -> argparse.ArgumentParser:
    followed = verbs.add_parser(
        "tail",
        help="follow traces as they come",
        description="List the traces that began last, then each one that comes, and once more "
        "when its state has changed, until it is interrupted.",
    )
    _add_conditions(followed)
    followed.add_argument(
        "--max",
        type=_count,
        default=10,
        metavar="N",
        help="traces that are there already to begin with (default: 10)",
    )
    followed.add_argument(
        "--every",
        type=duration,
        default=1.0,
        metavar="TIME",
        help="how often to look, such as 5s or 1m (default: 1s)",
    )
    followed.add_argument(
        "--format", choices=("table", "jsonl"), default="table", help="default: table"
    )
    followed.set_defaults(run=_tail)
    return followed


def _add_conditions(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--experiment",
        action="append",
        metavar="ID",
        help="only of this experiment; may be repeated",
    )
    parser.add_argument("--run-id", metavar="RUN", help="only of this run")
    parser.add_argument(
        "--filter",
        metavar="FILTER",
        help="as of a search: status = 'ERROR' AND span.name = 'retriever'",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _ls(options: argparse.Namespace) -> int:
    traces, more = _found(options)
    if options.format == "table":
        write(_table(traces, more))
    else:
        write(lines(_rows(traces), options.format))
    return 0


def _show(options: argparse.Namespace) -> int:
    trace = open_store(options.uri, create=False).traces.get(options.trace_id)
    if options.html is not None:
        write_to(options.html, [document(trace)])
    elif options.json:
        write([f"{trace.to_json(pretty=True)}\n"])
    else:
        _draw(trace, options.max_spans)
    return 0


def _draw(trace: Trace, most_spans: int) -> None:
    if sys.stdout.isatty():
        try:
            draw(trace_lines.coloured(trace, most_spans))
            return
        except ImportError:
            pass  # rich is not installed; without it the tree has no colours
    is_unicode = (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    guides = trace_lines.LINES if is_unicode else trace_lines.ASCII
    write(f"{line}\n" for line in trace_lines.lines(trace, most_spans, guides))


def _counted(options: argparse.Namespace) -> int:
    traces = open_store(options.uri, create=False).traces
    count = traces.count(options.experiment, options.filter, options.run_id)
    write([f"{count}\n"])
    return 0


def _found(options: argparse.Namespace) -> tuple[list[TraceInfo], bool]:
    """Return what is to be listed, and whether there is more."""
    traces = open_store(options.uri, create=False).traces
    found: list[TraceInfo] = []
    token = None
    while len(found) < options.max:
        page = traces.search(
            options.experiment,
            options.filter,
            min(_PAGE, options.max - len(found)),
            options.order,
            token,
            run_id=options.run_id,
            # They are most of a page, and a line shows none of them.
            include_spans=False,
        )
        found += [trace.info for trace in page]
        token = page.token
        if token is None:
            break
    return found, token is not None


def _table(traces: Sequence[TraceInfo], more: bool) -> Iterator[str]:
    yield f"{'trace_id':<35}  {'began (UTC)':<23}  {'took':>8}  {'state':<11}  name, request\n"
    yield from map(_line, traces)
    count = f"{len(traces):,} trace{'' if len(traces) == 1 else 's'}"
    yield f"({count}, and there are more: --max N)\n" if more else f"({count})\n"


def _line(info: TraceInfo) -> str:
    """Return a trace as a line, of which a narrow terminal cuts the words at its end."""
    length = whole_milliseconds(info.execution_duration)
    began = trace_lines.moment(info.request_time).removesuffix(" UTC")
    before = f"{printable(info.trace_id):<35}  {began:<23}  {length:>8}  {info.state:<11}  "
    words = printable("  ".join(filter(None, (info.name, info.request_preview))))
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - len(before)
        words = cut(words, max(width, _LEAST_WORDS))
    return f"{before}{words}".rstrip() + "\n"


def _rows(traces: Sequence[TraceInfo]) -> pyarrow.Table:
    import pyarrow

    number, text = pyarrow.int64(), pyarrow.string()
    fields = {
        "trace_id": text,
        "experiment_id": text,
        "request_time": pyarrow.timestamp("ms", "UTC"),
        "execution_duration": number,
        "state": text,
        "name": text,
        "run_id": text,
        "user_id": text,
        "session_id": text,
        "client_request_id": text,
        "input_tokens": number,
        "output_tokens": number,
        "request_preview": text,
        "response_preview": text,
    }
    rows = list(map(_row, traces))
    return pyarrow.table(
        {
            name: pyarrow.array([row[name] for row in rows], kind)
            for name, kind in fields.items()
        }
    )


def _row(info: TraceInfo) -> dict[str, object]:
    usage = info.token_usage or {}
    return {
        "trace_id": info.trace_id,
        "experiment_id": info.experiment_id,
        "request_time": info.request_time,
        "execution_duration": info.execution_duration,
        "state": info.state.value,
        "name": info.name,
        "run_id": info.run_id,
        "user_id": info.user_id,
        "session_id": info.session_id,
        "client_request_id": info.client_request_id,
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "request_preview": info.request_preview,
        "response_preview": info.response_preview,
    }


def _tail(options: argparse.Namespace) -> int:
    followed = _Followed(open_store(options.uri, create=False), options)
    repeat(followed.look, options.every)
    return 0


class _Followed:
    """What ``tail`` has seen.

    Args:
        store: The lake.
        options: What to look for.
    """

    def __init__(self, store: Store, options: argparse.Namespace) -> None:
        self._traces = store.traces
        self._options = options
        self._states: OrderedDict[str, tuple[str, int]] = OrderedDict()
        # When the oldest traces began that are looked at; None before the first look.
        self._since_ms: int | None = None

    def look(self) -> bool:
        """Write what is new; returns whether somebody may still read it."""
        is_first = self._since_ms is None
        news = self._begin() if is_first else self._news()
        for info in news:
            self._states[info.trace_id] = info.state, info.request_time
        while len(self._states) > _REMEMBERED:
            _, (_, began_ms) = self._states.popitem(last=False)
            # One that is forgotten must not come as a new one.
            self._since_ms = max(self._since_ms or 0, began_ms)
        # Of what was there to begin with all is known from now on, and only some is shown.
        shown = news[: self._options.max] if is_first else news
        return write(self._written(shown))

    def _begin(self) -> list[TraceInfo]:
        found, token = self._page(None)
        # If these are all, whatever is not among them later is new, however early it began.
        self._since_ms = 0 if token is None else found[-1].request_time
        return found

    def _news(self) -> list[TraceInfo]:
        """Return traces that are new or have another state, the newest first."""
        news: list[TraceInfo] = []
        token = None
        for _ in range(_MOST_PAGES):
            found, token = self._page(token)
            some = [each for each in found if self._is_new(each)]
            news += some
            # Behind a page of known ones nobody looks: each look would go through all traces.
            if token is None or not some:
                return news
        write([f"... more than {_PAGE * _MOST_PAGES:,} at once: the others are not listed\n"])
        return news

    def _page(self, token: str | None) -> tuple[list[TraceInfo], str | None]:
        options = self._options
        page = self._traces.search(
            options.experiment,
            options.filter,
            _PAGE,
            page_token=token,
            run_id=options.run_id,
            include_spans=False,
        )
        return [trace.info for trace in page], page.token

    def _is_new(self, info: TraceInfo) -> bool:
        known = self._states.get(info.trace_id)
        if known is None:
            return info.request_time >= (self._since_ms or 0)
        return known[0] != info.state

    def _written(self, news: Sequence[TraceInfo]) -> Iterable[str]:
        oldest_first = reversed(news)
        if self._options.format == "table":
            return map(_line, oldest_first)
        return lines(_rows(list(oldest_first)), "jsonl")
