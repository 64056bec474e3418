"""A trace as lines of a terminal: a tree with durations; coloured where rich is installed."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities._base import short
from lakeflow.entities.trace_tree import (
    Row,
    duration,
    duration_ns,
    oddities,
    rows,
    shown_type,
    state,
    tree,
    whole_milliseconds,
)
from lakeflow.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import rich.tree

    from lakeflow.entities.assessment import Assessment
    from lakeflow.entities.trace import Trace

MOST_SPANS = 1_000
"""Most spans of a tree, unless more are asked for."""

_MOST_CHARACTERS = 200
"""Most characters of a name or a text."""

_COLOURS = {"ERROR": "bold red", "OK": "green", "IN_PROGRESS": "yellow"}


class Guides(NamedTuple):
    """What a tree is drawn with: beside a branch, at one, where none is, at the last one."""

    beside: str
    branch: str
    none: str
    last: str


LINES = Guides("│  ", "├─ ", "   ", "└─ ")
ASCII = Guides("|  ", "|- ", "   ", "`- ")


class Piece(NamedTuple):
    """A text in a style of rich."""

    text: str
    style: str = ""


def lines(trace: Trace, most_spans: int = MOST_SPANS, guides: Guides = LINES) -> Iterator[str]:
    """Yield what is known of a trace, then a line for each span, without line ends.

    Args:
        trace: The trace.
        most_spans: Most spans; lines say where others are left out, and how many.
        guides: What the tree is drawn with.
    """
    for pieces in _heading(trace):
        yield _plain(pieces)
    # Whether a branch goes on to the left of a row, by level.
    goes_on: list[bool] = []
    for row in rows(tree(trace.data.spans), most_spans):
        # What lies within a span comes right after it, so all that was deeper is over.
        del goes_on[row.depth :]
        before = "".join(guides.beside if each else guides.none for each in goes_on)
        here = guides.last if row.is_last else guides.branch
        goes_on.append(not row.is_last)
        yield f"{before}{here}{_plain(_of_row(row))}"


def coloured(trace: Trace, most_spans: int = MOST_SPANS) -> rich.tree.Tree:
    """Return the same as a tree of rich.

    Raises:
        ImportError: rich is not installed.
    """
    from rich.text import Text
    from rich.tree import Tree

    def text(pieces: list[Piece]) -> Text:
        # Not of markup: brackets in a name are a part of it.
        return Text.assemble(*pieces, overflow="fold")

    top = Tree(Text("\n").join(map(text, _heading(trace))), guide_style="dim")
    above = [top]
    for row in rows(tree(trace.data.spans), most_spans):
        del above[row.depth + 1 :]
        above.append(above[-1].add(text(_of_row(row))))
    return top


def _plain(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def _heading(trace: Trace) -> list[list[Piece]]:
    info = trace.info
    took = whole_milliseconds(info.execution_duration)
    length = took and f"  {took}"
    first = [
        Piece(text_of(info.trace_id), "bold"),
        Piece(f"  {text_of(info.state)}", _COLOURS.get(info.state, "")),
        Piece(length),
    ]
    facts = {
        "began": moment(info.request_time),
        "experiment": info.experiment_id,
        "run": info.run_id,
        "user": info.user_id,
        "session": info.session_id,
        "tokens": tokens(info.token_usage),
    }
    said = [f"{name} {text_of(str(each))}" for name, each in facts.items() if each]
    assessed = [[Piece("  "), *_of_assessment(each)] for each in info.assessments]
    return [first, [Piece(f"  {', '.join(said)}", "dim")], *assessed]


def moment(milliseconds: int) -> str:
    """Return a time of milliseconds since the Unix epoch in UTC; the number if it is none.

    Examples:
        >>> moment(1_700_000_000_123)
        '2023-11-14 22:13:20.123 UTC'
    """
    try:
        found = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.UTC)
    except (ValueError, OverflowError, OSError):
        return f"{milliseconds} ms"
    return f"{found:%Y-%m-%d %H:%M:%S}.{milliseconds % 1000:03d} UTC"


def tokens(usage: dict[str, Any] | None) -> str:
    """Return sums of tokens in a few words; nothing if nobody counted.

    Examples:
        >>> tokens({"input_tokens": 1200, "output_tokens": 34, "total_tokens": 1234})
        '1,200 in, 34 out'
    """
    names = {"input_tokens": "in", "output_tokens": "out"}
    found = {word: (usage or {}).get(name) for name, word in names.items()}
    return ", ".join(
        f"{number:,} {word}" for word, number in found.items() if isinstance(number, int)
    )


def _of_assessment(assessment: Assessment) -> list[Piece]:
    source = assessment.source
    who = "" if source is None else f"{source.source_type} {source.source_id or ''}"
    said = "no value" if assessment.value is None else short(assessment.value)
    replaced = ", replaced" if assessment.valid is False else ""
    why = f": {assessment.rationale}" if assessment.rationale else ""
    return [
        Piece(f"{assessment.kind} {text_of(assessment.name)} = {text_of(said)}", "cyan"),
        Piece(f"  {text_of(who.strip())}{replaced}{text_of(why)}", "dim"),
    ]


def _of_row(row: Row) -> list[Piece]:
    span = row.span
    if span is None:
        return [Piece(left_out(row.left_out), "dim italic")]
    status, why = state(span)
    found = [Piece(text_of(span.name), "bold")]
    kind = shown_type(span)
    if kind:
        found.append(Piece(f"  {text_of(kind)}", "magenta"))
    took = duration(duration_ns(span))
    if took:
        found.append(Piece(f"  {took}", "cyan"))
    if status == "ERROR":
        cause = f": {text_of(why)}" if why else ""
        found.append(Piece(f"  ERROR{cause}", _COLOURS["ERROR"]))
    odd = oddities(row, span)
    if odd:
        found.append(Piece(f"  ({text_of(', '.join(odd))})", "yellow"))
    return found


def left_out(count: int) -> str:
    """Return the words for spans that are not shown.

    Examples:
        >>> left_out(1), left_out(2000)
        ('... 1 more span', '... 2,000 more spans')
    """
    return f"... {count:,} more span{'' if count == 1 else 's'}"


def text_of(text: str) -> str:
    """Return the beginning of a text of strangers in one line, harmless."""
    cut = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."
    return printable(cut)
