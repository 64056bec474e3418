"""A trace as HTML: a tree that opens and closes, with bars by time; no script, no address.

What others have logged is text in it. Its size is bounded, whatever the trace.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from lakeflow.entities.json_text import json_text
from lakeflow.entities.span import INPUTS, OUTPUTS, REQUEST_ID, SPAN_TYPE
from lakeflow.entities.trace_lines import left_out, moment, text_of, tokens
from lakeflow.entities.trace_tree import (
    Row,
    Timeline,
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
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lakeflow.entities.assessment import Assessment
    from lakeflow.entities.span import Span
    from lakeflow.entities.trace import Trace

MOST_SPANS = 1_000
"""Most spans on a page."""

MOST_TRACES = 100
"""Most traces in a list."""

_MOST_VALUE_CHARACTERS = 5_000
_MOST_CHARACTERS = 1_000_000
_MOST_ENTRIES = 100
"""Most attributes, events or tags that are shown of one span or trace."""

_OPEN_SPANS = 50
"""Spans up to which all of a tree is open at first."""

_OPEN_LEVELS = 2
"""Levels of a larger one that are."""

_ENTRY_CHARACTERS = 100
"""What an entry of a table takes besides its name and its value."""

_SHOWN_ELSEWHERE = {REQUEST_ID, SPAN_TYPE, INPUTS, OUTPUTS}

# Colours follow the notebook's: a page is dark where the text around it is light.
_STYLE = """<style>
.lf-trace{font:13px/1.6 system-ui,sans-serif;max-width:100%;overflow-x:auto}
.lf-trace summary{cursor:pointer}
.lf-trace pre{margin:0;padding:.3em .6em;white-space:pre-wrap;overflow-wrap:anywhere;
 max-height:24em;overflow:auto;background:rgba(128,128,128,.12);font:12px/1.4 monospace}
.lf-trace th,.lf-trace td{text-align:left;vertical-align:top;padding:0 .8em 0 0}
.lf-trace .lf-row{display:grid;gap:.8em;align-items:center;
 grid-template-columns:minmax(14em,3fr) 8em 6em minmax(8em,4fr)}
.lf-trace .lf-row:hover{background:rgba(128,128,128,.12)}
.lf-trace .lf-name{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.lf-trace .lf-name:before{content:"\\25b8\\a0"}
.lf-trace details[open]>summary>.lf-name:before{content:"\\25be\\a0"}
.lf-trace .lf-dim{opacity:.65;overflow:hidden;text-overflow:ellipsis}
.lf-trace .lf-number{text-align:right;white-space:nowrap}
.lf-trace .lf-track{position:relative;height:.9em;background:rgba(128,128,128,.15)}
.lf-trace .lf-bar{position:absolute;height:100%;min-width:2px;background:#4c8dd6}
.lf-trace .lf-error{color:#d64545}
.lf-trace .lf-bar.lf-error{background:#d64545}
.lf-trace .lf-bar.lf-on{background:repeating-linear-gradient(90deg,#c9a227 0 6px,#8884 6px 9px)}
.lf-trace .lf-facts{border-left:2px solid rgba(128,128,128,.4);
 margin:.2em 0 .4em;padding:0 .8em}
</style>"""


def page(trace: Trace) -> str:
    """Return the HTML of a trace, for a place within another page.

    At most 1,000 spans, those near the roots first, 5,000 characters of a value, and a million
    of all values are in it; it says what is not.
    """
    room = _Room(MOST_SPANS)
    return f'<div class="lf-trace">{_STYLE}{"".join(_trace(trace, room))}</div>'


def pages(traces: Sequence[Trace]) -> str:
    """Return the HTML of some traces: a line for each, which opens.

    At most 100 traces, and of all of them what ``page`` has of one.
    """
    room = _Room(MOST_SPANS)
    found = [f'<div class="lf-trace">{_STYLE}']
    for trace in traces[:MOST_TRACES]:
        info = trace.info
        length = _text(whole_milliseconds(info.execution_duration))
        found.append(
            f'<details><summary class="lf-row">{_name(info.name or info.trace_id, 0)}'
            f"<span{_of_state(info.state)}>{_text(info.state)}</span>"
            f'<span class="lf-number">{length}</span>'
            f'<span class="lf-dim">{moment(info.request_time)} '
            f"{_text(info.request_preview or '')}</span></summary>"
        )
        found += _trace(trace, room)
        found.append("</details>")
    more = len(traces) - MOST_TRACES
    if more > 0:
        found.append(f'<p class="lf-dim">... {more:,} more traces</p>')
    found.append("</div>")
    return "".join(found)


def document(trace: Trace) -> str:
    """Return a whole HTML file of a trace, which needs no network and may use none."""
    return (
        '<!doctype html><html><head><meta charset="utf-8">'
        # Should a text come through as markup all the same, it runs nothing and loads nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        '<meta name="color-scheme" content="light dark">'
        f"<title>{_text(trace.info.name or trace.info.trace_id)}</title></head>"
        f"<body>{page(trace)}</body></html>\n"
    )


class _Room:
    """What is left of the bounds of a page.

    Args:
        spans: Most spans.
    """

    def __init__(self, spans: int) -> None:
        self.spans = spans
        self.characters = _MOST_CHARACTERS

    def cut(self, text: str) -> str:
        """Return as much of a text as there is room for."""
        # Entries take room for their names, too, and the last one may take more than there is.
        most = min(_MOST_VALUE_CHARACTERS, max(self.characters, 0))
        kept = text[:most]
        self.characters -= len(kept)
        if len(kept) == len(text):
            return text
        return f"{kept}\n... {len(text) - len(kept):,} more characters"


def _trace(trace: Trace, room: _Room) -> Iterator[str]:
    info = trace.info
    facts = {
        "took": whole_milliseconds(info.execution_duration),
        "began": moment(info.request_time),
        "experiment": info.experiment_id,
        "run": info.run_id,
        "user": info.user_id,
        "session": info.session_id,
        "client's id": info.client_request_id,
        "tokens": tokens(info.token_usage),
    }
    said = ", ".join(f"{name} {_text(each)}" for name, each in facts.items() if each)
    yield (
        f"<div><b>{_text(info.trace_id)}</b> "
        f"<span{_of_state(info.state)}>{_text(info.state)}</span> "
        f'<span class="lf-dim">{said}</span></div>'
    )
    yield from _folded("tags", _table(info.tags, room), len(info.tags))
    yield from _folded("metadata", _table(info.trace_metadata, room), len(info.trace_metadata))
    assessments = [_shown_assessment(each) for each in info.assessments]
    yield from _folded("assessments", _table(dict(assessments), room), len(assessments))
    yield from _spans(trace.data.spans, room)


def _shown_assessment(assessment: Assessment) -> tuple[str, Any]:
    shown = assessment.to_dictionary()
    name = f"{assessment.name} ({assessment.assessment_id or assessment.kind})"
    return name, {key: each for key, each in shown.items() if key != "trace_id"}


def _spans(spans: Sequence[Span], room: _Room) -> Iterator[str]:
    if not room.spans:
        # A tree of many spans takes time, of which nothing would be seen.
        yield f'<div class="lf-dim">{left_out(len(spans))}</div>'
        return
    line = Timeline.of(spans)
    is_small = len(spans) <= _OPEN_SPANS
    more = len(spans) - room.spans
    if more > 0:
        yield f'<div class="lf-dim">{more:,} of {len(spans):,} spans are not shown</div>'
    unclosed = 0
    for row in rows(tree(spans), room.spans):
        # What lies within a span comes right after it, so all that was deeper is over.
        yield "</details>" * (unclosed - row.depth)
        unclosed = row.depth
        if row.span is None:
            words = left_out(row.left_out)
            yield f'<div class="lf-dim"{_indent(row.depth)}>{words}</div>'
            continue
        is_open = not row.is_leaf and (is_small or row.depth < _OPEN_LEVELS)
        yield f"<details{' open' * is_open}>{_summary(row, row.span, line)}"
        facts = _facts(row, row.span, room)
        if not row.is_leaf:
            summary = '<summary class="lf-dim">details</summary>'
            facts = f"<details{_indent(row.depth + 1)}>{summary}{facts}</details>"
        yield facts
        unclosed += 1
    yield "</details>" * unclosed
    room.spans -= min(len(spans), room.spans)


def _summary(row: Row, span: Span, line: Timeline) -> str:
    status, why = state(span)
    failed = " lf-error" if status == "ERROR" else ""
    said = [f"ERROR: {why}" if why else "ERROR"] if failed else []
    said += oddities(row, span)
    about = f' <span class="lf-dim{failed}">{_text("; ".join(said))}</span>' if said else ""
    left, width = line.place(span)
    goes_on = " lf-on" if span.end_time_ns is None else ""
    return (
        f'<summary class="lf-row">{_name(span.name, row.depth, about)}'
        f'<span class="lf-dim">{_text(shown_type(span))}</span>'
        f'<span class="lf-number">{duration(duration_ns(span))}</span>'
        f'<span class="lf-track"><span class="lf-bar{failed}{goes_on}" '
        f'style="left:{left:.2%};width:{width:.2%}"></span></span></summary>'
    )


def _facts(row: Row, span: Span, room: _Room) -> str:
    """Return what is known of a span besides its place and its duration."""
    attributes = {
        key: each for key, each in span.attributes.items() if key not in _SHOWN_ELSEWHERE
    }
    shown = [
        f'<div class="lf-dim">{_text(span.span_id)}, '
        f"began {moment(span.start_time_ns // 1_000_000)}</div>",
        _value("status", state(span)[1] or None, room),
        _value("inputs", span.inputs, room),
        _value("outputs", span.outputs, room),
        _table(attributes, room),
        *(_value("event", each, room) for each in _listed(lambda: span.events)),
        *(_value("link", each, room) for each in _listed(lambda: span.links)),
    ]
    margin = f"margin-left:{(row.depth + 1) * 1.2:.1f}em" if row.is_leaf else ""
    return f'<div class="lf-facts" style="{margin}">{"".join(shown)}</div>'


def _listed(read: Callable[[], list[Any]]) -> list[Any]:
    """Return events or links; none where a file has something else in their place."""
    try:
        return read()[:_MOST_ENTRIES]
    except (LookupError, TypeError, ValueError, AttributeError):
        return []


def _folded(name: str, content: str, count: int) -> Iterator[str]:
    if content:
        summary = f'<summary class="lf-dim">{name} ({count:,})</summary>'
        yield f'<details>{summary}<div class="lf-facts">{content}</div></details>'


def _value(name: str, value: Any, room: _Room) -> str:
    if value is None:
        return ""
    return f'<div class="lf-dim">{name}</div><pre>{_pretty(value, room)}</pre>'


def _table(values: Mapping[str, Any], room: _Room) -> str:
    if not values:
        return ""
    shown: list[str] = []
    for key, each in values.items():
        if len(shown) == _MOST_ENTRIES or room.characters <= 0:
            shown.append(f"<tr><th>...</th><td>{len(values) - len(shown):,} more</td></tr>")
            break
        room.characters -= len(key) + _ENTRY_CHARACTERS
        value = _pretty(each, room)
        shown.append(f"<tr><th>{_text(key)}</th><td><pre>{value}</pre></td></tr>")
    return f"<table>{''.join(shown)}</table>"


def _pretty(value: Any, room: _Room) -> str:
    text = value if isinstance(value, str) else _json(value)
    # Cut before it is escaped, or the cut could go through an entity such as &lt;.
    return escape(printable(room.cut(text), "\n\t"))


def _json(value: Any) -> str:
    shown = value.to_dictionary() if hasattr(value, "to_dictionary") else value
    try:
        return json.dumps(shown, indent=2, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return json_text(shown)


def _name(name: str, depth: int, about: str = "") -> str:
    return f'<span class="lf-name"{_indent(depth)}><b>{_text(name)}</b>{about}</span>'


def _indent(depth: int) -> str:
    return f' style="padding-left:{depth * 1.2:.1f}em"'


def _of_state(text: str) -> str:
    return ' class="lf-error"' if text == "ERROR" else ""


def _text(text: object) -> str:
    """Return a text of strangers as HTML: short, in one line, harmless."""
    return escape(text_of(str(text)))
