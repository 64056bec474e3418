"""The spans of a trace as a tree, however odd they are: which there are, where, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lakeflow.entities.span_type import SpanType

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lakeflow.entities.span import Span

# Browsers bound how many elements may be within one another.
DEEPEST = 40
"""Levels that a tree is drawn with; what is deeper is drawn there, with its level."""

_UNITS = ((1_000, "ns", 1), (1_000_000, "µs", 1_000), (1_000_000_000, "ms", 1_000_000))


# Compared by identity: to compare what is within as well would not end in a loop.
@dataclass(slots=True, eq=False)
class Node:
    """A span and those within it.

    Attributes:
        span: The span.
        within: Those whose parent it is, by the time at which they began.
        note: Why it stands where it does; nothing of a span in its place.
        total: How many spans it and all that is below are.
    """

    span: Span
    within: list[Node] = field(default_factory=list)
    note: str = ""
    total: int = 1


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a tree.

    Attributes:
        depth: Level, at most ``DEEPEST``; roots have 0.
        is_last: Whether no other row of its parent comes after it.
        span: The span; None where some are left out.
        level: Its own level, which may be deeper than ``depth``.
        is_leaf: Whether there is nothing within.
        note: What is odd about its place.
        left_out: How many spans are not shown here.
    """

    depth: int
    is_last: bool
    span: Span | None = None
    level: int = 0
    is_leaf: bool = True
    note: str = ""
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Timeline:
    """The time between the first and the last moment of some spans.

    Attributes:
        first_ns: Nanoseconds since the Unix epoch, UTC.
        last_ns: The same.
    """

    first_ns: int
    last_ns: int

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Timeline:
        """Return the time that spans take; it begins and ends at 0 where there are none."""
        moments = [
            moment
            for span in spans
            for moment in (span.start_time_ns, span.end_time_ns)
            if moment is not None
        ]
        return cls(min(moments, default=0), max(moments, default=0))

    def place(self, span: Span) -> tuple[float, float]:
        """Return where a span begins and how long it is, as parts of the whole from 0 to 1.

        One that has not ended goes on to the end. One whose clock went backwards lies between
        its two times.
        """
        whole = self.last_ns - self.first_ns
        if whole <= 0:
            return 0.0, 1.0
        end = self.last_ns if span.end_time_ns is None else span.end_time_ns
        first, last = sorted((span.start_time_ns, end))
        return (first - self.first_ns) / whole, (last - first) / whole


def tree(spans: Sequence[Span]) -> list[Node]:
    """Return the roots of spans, each with what is within it; every span is there once.

    A span whose parent is not there is a root. Of spans that are within themselves the one that
    began first is one.
    """
    nodes = [Node(span) for span in sorted(spans, key=_began)]
    by_id: dict[str, Node] = {}
    for node in nodes:
        # Where two spans have one id, what names it lies within the one that began first.
        by_id.setdefault(node.span.span_id, node)
    roots = []
    for node in nodes:
        parent_id = node.span.parent_id
        parent = by_id.get(parent_id or "")
        if parent is not None:
            parent.within.append(node)
            continue
        if parent_id:
            node.note = f"its parent {parent_id} is not there"
        roots.append(node)
    roots += _cut_loops(nodes, by_id, roots)
    roots.sort(key=lambda node: _began(node.span))
    # From the leaves on, so that what is within a node is counted before it.
    for node in reversed(list(_by_level(roots))):
        node.total += sum(each.total for each in node.within)
    return roots


def rows(roots: Sequence[Node], most: int) -> Iterator[Row]:
    """Yield the rows of a tree in order, what is within a span after it.

    Args:
        roots: What ``tree`` returns.
        most: Most spans. Those near the roots are shown first; where some are left out, a row
            says how many.
    """
    kept = {id(node) for _, node in zip(range(max(most, 0)), _by_level(roots), strict=False)}
    # A stack of rows and nodes, since a trace may be deeper than functions may call each other.
    stack = _level(roots, kept, 0)
    while stack:
        row, node = stack.pop()
        yield row
        if node is not None:
            stack += _level(node.within, kept, row.level + 1)


def _level(nodes: Sequence[Node], kept: set[int], level: int) -> list[tuple[Row, Node | None]]:
    """Return the rows of what is within one node, the last one first."""
    shown = [node for node in nodes if id(node) in kept]
    left_out = sum(node.total for node in nodes if id(node) not in kept)
    depth = min(level, DEEPEST)
    found: list[tuple[Row, Node | None]] = []
    if left_out:
        found.append((Row(depth, True, level=level, left_out=left_out), None))
    for node in reversed(shown):
        row = Row(depth, not found, node.span, level, not node.within, node.note)
        found.append((row, node))
    return found


def _cut_loops(nodes: list[Node], by_id: dict[str, Node], roots: list[Node]) -> list[Node]:
    """Return a root for each loop of spans, which is cut there."""
    reached = set(map(id, _by_level(roots)))
    cut = []
    for node in nodes:
        if id(node) in reached:
            continue
        loop = _loop_above(node, by_id)
        first = min(loop, key=lambda each: _began(each.span))
        parent = by_id[first.span.parent_id or ""]
        parent.within.remove(first)
        first.note = "it is within itself"
        cut.append(first)
        reached.update(map(id, _by_level([first])))
    return cut


def _loop_above(node: Node, by_id: dict[str, Node]) -> list[Node]:
    """Return the loop that a node without a root is in or below."""
    path: dict[int, Node] = {}
    while id(node) not in path:
        path[id(node)] = node
        node = by_id[node.span.parent_id or ""]
    above = list(path.values())
    return above[above.index(node) :]


def _by_level(roots: Sequence[Node]) -> Iterator[Node]:
    """Yield nodes, those near the roots first."""
    level = list(roots)
    while level:
        yield from level
        level = [each for node in level for each in node.within]


def _began(span: Span) -> tuple[int, str]:
    # The id too: spans of one moment stand in the same order each time.
    return span.start_time_ns, span.span_id


def duration_ns(span: Span) -> int | None:
    """Return how long a span took in nanoseconds; None if it has not ended."""
    return None if span.end_time_ns is None else span.end_time_ns - span.start_time_ns


def whole_milliseconds(milliseconds: int | None) -> str:
    """Return a duration of which only its whole milliseconds are known.

    Examples:
        >>> whole_milliseconds(0), whole_milliseconds(1_234), whole_milliseconds(None)
        ('< 1 ms', '1.23 s', '')
    """
    if milliseconds == 0:
        return "< 1 ms"
    return duration(None if milliseconds is None else milliseconds * 1_000_000)


def duration(nanoseconds: int | None) -> str:
    """Return a duration in the unit that fits.

    Examples:
        >>> [duration(each) for each in (0, 1_500, 12_345_678, 1_234_000_000, -2_000_000)]
        ['0 ns', '1.5 µs', '12.3 ms', '1.23 s', '-2 ms']
        >>> duration(3_723_000_000_000), duration(61_000_000_000), duration(None)
        ('1 h 2 min', '1 min 1 s', '')
    """
    if nanoseconds is None:
        return ""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds)}"
    for limit, unit, size in _UNITS:
        # What would be rounded up to 1000 is one of the next unit.
        if nanoseconds < limit * 0.9995:
            return f"{nanoseconds / size:.3g} {unit}"
    seconds = nanoseconds / 1e9
    if seconds < 59.95:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
    )


def state(span: Span) -> tuple[str, str]:
    """Return the status of a span and why it is so."""
    status = span.status
    return status.status_code.value, status.description


def oddities(row: Row, span: Span) -> list[str]:
    """Return what is odd about a span: its place, its times, its level."""
    found = [row.note] if row.note else []
    if row.level > row.depth:
        found.append(f"level {row.level}")
    took = duration_ns(span)
    if took is None:
        found.append("has not ended")
    elif took < 0:
        found.append("ended before it began")
    return found


def shown_type(span: Span) -> str:
    """Return what a span does; nothing if nobody said it."""
    return "" if span.span_type == SpanType.UNKNOWN else span.span_type
