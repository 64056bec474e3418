"""A trace as a tree of a terminal and as a page: whatever was logged, it is shown as text."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import rich.console
from hypothesis import given
from hypothesis import strategies as st

from lakeflow.entities import (
    Feedback,
    PagedList,
    Span,
    Trace,
    TraceData,
    TraceInfo,
    TraceState,
)
from lakeflow.entities.trace_lines import ASCII, lines
from lakeflow.entities.trace_page import document, pages

MS = 10**6
BEGAN = 1_700_000_000_000 * MS
HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e[bold]&quot;'\"\ud800\x00"


def span(
    number: int, parent: int | None, first: int, last: int | None, **more: Any
) -> dict[str, Any]:
    """Return a row of a span; times are milliseconds after the beginning."""
    return {
        "trace_id": "tr-1",
        "span_id": f"{number:016x}",
        "parent_span_id": None if parent is None else f"{parent:016x}",
        "name": f"span {number}",
        "start_time_ns": BEGAN + first * MS,
        "end_time_ns": None if last is None else BEGAN + last * MS,
        **more,
    }


def trace(*spans: dict[str, Any], **more: Any) -> Trace:
    info = TraceInfo("tr-1", "0", BEGAN // MS, TraceState.OK, 10, **more)
    return Trace(info, TraceData([Span.from_row(each) for each in spans]))


def tree(found: Trace, **options: Any) -> list[str]:
    """Return the lines of spans."""
    shown = list(lines(found, **options))
    return shown[2 + len(found.info.assessments) :]


class Elements(HTMLParser):
    """The elements of a page, their attributes and their texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.deepest = 0
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)
            self.deepest = max(self.deepest, len(self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_a_trace_is_a_tree_with_durations() -> None:
    found = trace(
        span(1, None, 0, 1200, span_type="AGENT"),
        span(3, 1, 400, 900, status="ERROR", status_message="no\nanswer"),
        span(2, 1, 1, 320, span_type="RETRIEVER"),
        span(4, 2, 2, 3),
        assessments=[Feedback("correct", False, rationale="it is not")],
    )
    assert str(found).splitlines() == [
        "tr-1  OK  10 ms",
        "  began 2023-11-14 22:13:20.000 UTC, experiment 0",
        "  feedback correct = False  CODE default: it is not",
        "└─ span 1  AGENT  1.2 s",
        "   ├─ span 2  RETRIEVER  319 ms",
        "   │  └─ span 4  1 ms",
        "   └─ span 3  500 ms  ERROR: no\\nanswer",
    ]
    assert tree(found, guides=ASCII)[1:3] == [
        "   |- span 2  RETRIEVER  319 ms",
        "   |  `- span 4  1 ms",
    ]
    assert repr(found) == "Trace(trace_id=tr-1)", "as MLflow has it"


def test_odd_trees_are_shown_once_and_say_what_is_odd() -> None:
    found = trace(
        span(1, None, 0, 5),
        span(2, 99, 1, 2),
        span(3, None, 2, None),
        span(4, 1, 4, 3),
        span(5, 6, 6, 7),
        span(6, 7, 7, 8),
        span(7, 6, 8, 9),
        span(8, 8, 9, 10),
        span(9, None, 10, 11, status="weird"),
    )
    assert tree(found) == [
        "├─ span 1  5 ms",
        "│  └─ span 4  -1 ms  (ended before it began)",
        "├─ span 2  1 ms  (its parent 0000000000000063 is not there)",
        "├─ span 3  (has not ended)",
        "├─ span 6  1 ms  (it is within itself)",
        "│  ├─ span 5  1 ms",
        "│  └─ span 7  1 ms",
        "├─ span 8  1 ms  (it is within itself)",
        "└─ span 9  1 ms",
    ]
    shown = "".join(Elements(document(found)).texts)
    for number in range(1, 10):
        assert shown.count(f"span {number}") == 1
    assert "has not ended" in shown
    assert list(lines(trace())) == str(trace()).splitlines()


PLACES = st.lists(
    st.tuples(st.integers(0, 9), st.none() | st.integers(0, 12), st.integers(-5, 5)),
    max_size=12,
)


@given(PLACES, st.integers(0, 12), st.booleans())
def test_every_span_is_shown_once_or_counted(
    places: list[tuple[int, int | None, int]], most: int, has_ended: bool
) -> None:
    """Whatever their ids and parents are: loops, strangers, and ids that come twice."""
    found = trace(
        *(
            span(number, parent, first, -first if has_ended else None, name=f"<{place}>")
            for place, (number, parent, first) in enumerate(places)
        )
    )
    shown = "\n".join(tree(found, most_spans=most))
    counted = sum(map(int, re.findall(r"\.\.\. (\d+) more span", shown)))
    names = re.findall("<\\d+>", shown)
    assert len(names) == len(set(names)) == min(most, len(places))
    assert counted == len(places) - len(names)
    page = Elements(document(found))
    assert not page.open
    assert sum("".join(page.texts).count(f"<{place}>") for place in range(len(places))) == len(
        places
    )


def test_hostile_text_is_shown_as_text() -> None:
    found = trace(
        span(
            1,
            None,
            0,
            5,
            name=HOSTILE,
            span_type=HOSTILE,
            status="ERROR",
            status_message=HOSTILE,
            inputs=json.dumps({HOSTILE: HOSTILE}),
            outputs=json.dumps(HOSTILE),
            attributes=json.dumps({HOSTILE: [HOSTILE]}),
            events=json.dumps([{"name": HOSTILE, "time_ns": 1, "attributes": {HOSTILE: 1}}]),
            links=json.dumps([{"trace_id": HOSTILE}]),
        ),
        span(2, 1, 0, 5, events='{"no": "list"}', links="3", attributes="[1]", inputs="{"),
        tags={HOSTILE: HOSTILE, "mlflow.traceName": HOSTILE},
        trace_metadata={HOSTILE: HOSTILE, "mlflow.trace.user": HOSTILE},
        request_preview=HOSTILE,
        client_request_id=HOSTILE,
        assessments=[Feedback(HOSTILE, HOSTILE, rationale=HOSTILE)],
    )
    screen = io.StringIO()
    rich.console.Console(file=screen, width=500, color_system=None).print(found)
    for shown in (str(found), screen.getvalue()):
        assert "<script>alert(1)</script>\\x1b[31m\\u202e[bold]&quot;" in shown
        assert shown.replace("\n", "").isprintable()
    for page in (document(found), pages([found])):
        page.encode()
        elements = Elements(page)
        allowed = (
            "html head body meta title style div details summary span b pre table tr th td"
        )
        assert set(elements.tags) <= set(allowed.split())
        names = {name for name, _ in elements.attributes}
        assert names <= {"class", "style", "open", "charset", "http-equiv", "content", "name"}
        assert "<script>alert(1)</script>\\x1b[31m\\u202e" in "".join(elements.texts)
        assert page.replace("\n", "").isprintable()
        assert not elements.open


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = document(trace(span(1, None, 0, 5, inputs='"https://example.com/a.js"')))
    assert "default-src 'none'" in page
    for word in ("src=", "href=", "url(", "@import", "<link", "<script"):
        assert word not in page


def test_notebooks_choose_between_a_page_and_a_tree() -> None:
    found = trace(span(1, None, 0, 5))
    bundle = found._repr_mimebundle_()
    assert bundle == {"text/plain": str(found), "text/html": found._repr_html_()}
    listed = PagedList([found, trace(span(2, None, 0, 5))], None)._repr_html_()
    assert listed is not None
    texts = "".join(Elements(listed).texts)
    assert "span 1" in texts
    assert "span 2" in texts
    assert PagedList([], None)._repr_html_() is None
    assert PagedList([found, "x"], None)._repr_html_() is None


@pytest.fixture(scope="module")
def large() -> Trace:
    """Return a trace of 100,000 spans: half of them a chain, half of them side by side."""
    fields = {"attributes": json.dumps({f"key {n}": "v" * 100 for n in range(20)})}
    fields["inputs"] = json.dumps("i" * 1_000)
    chain = [span(n, n - 1 if n else None, n, 10**6, **fields) for n in range(50_000)]
    beside = [span(n, 0, n, n + 1, **fields) for n in range(50_000, 100_000)]
    return trace(*chain, *beside)


def test_a_large_trace_is_bounded_and_says_what_is_left_out(large: Trace) -> None:
    shown = tree(large)
    counted = [int(each.split()[-3].replace(",", "")) for each in shown if "..." in each]
    assert sum(counted) == 100_000 - (len(shown) - len(counted))
    assert len(shown) - len(counted) == 1_000
    page = large._repr_html_()
    assert len(page) < 3_000_000
    assert "99,000 of 100,000 spans are not shown" in "".join(Elements(page).texts)
    assert len(pages([large] * 200)) < 3_000_000


def test_a_deep_trace_is_no_deeper_than_browsers_take() -> None:
    deep = trace(*(span(n, n - 1 if n else None, n, 900) for n in range(900)))
    shown = tree(deep)
    assert len(shown) == 900
    assert max(map(len, shown)) < 200
    assert shown[-1].endswith("span 899  1 ms  (level 899)")
    assert Elements(deep._repr_html_()).deepest < 100


def test_a_large_value_is_cut(large: Trace) -> None:
    found = trace(span(1, None, 0, 5, inputs=json.dumps("i" * 10**7), name="n" * 10**6))
    assert len(str(found)) < 1_000
    page = found._repr_html_()
    assert len(page) < 20_000
    assert "... 9,995,000 more characters" in page
