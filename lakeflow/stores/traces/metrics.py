"""Figures of traces, their spans and their assessments: one statement over the tables.

Nothing of what is asked for becomes SQL: names are looked up here, values are bound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities import trace_info
from lakeflow.exceptions import InvalidInputError
from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import ASSESSMENTS, SPANS, TRACE_METADATA, TRACE_RUNS, TRACE_TAGS, TRACES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.query.engine.comparisons import Bind
    from lakeflow.stores.reader import Reader

TIME_BUCKET = "time_bucket"
"""The dimension of time: when an interval begins, milliseconds since the Unix epoch."""


class Measured(NamedTuple):
    """What is asked for of one metric.

    Attributes:
        value: The expression that is aggregated.
        aggregates: How it may be.
        dimensions: What it may be grouped by.
        is_whole: Whether sums, minima and maxima are whole numbers.
        by_span: Whether the time of a span counts, and not that of its trace.
    """

    value: str
    aggregates: frozenset[str]
    dimensions: frozenset[str]
    is_whole: bool = True
    by_span: bool = False


class Aggregation(NamedTuple):
    """How values become one.

    Attributes:
        name: COUNT, SUM, AVG, MIN, MAX or PERCENTILE.
        percentile: Of PERCENTILE alone: from 0 to 100.
    """

    name: str
    percentile: float | None = None


class Filter(NamedTuple):
    """That something is equal to a text.

    Attributes:
        of: ``trace``, ``span`` or ``assessment``.
        what: A name of ``_FILTERS``, or ``tag`` or ``metadata``.
        value: The text.
        key: Of a tag or an entry of metadata, its key.
    """

    of: str
    what: str
    value: str
    key: str | None = None


_COUNT = frozenset({"COUNT"})
_SPREAD = frozenset({"AVG", "MIN", "MAX", "PERCENTILE"})
_SUMMED = _SPREAD | {"SUM"}
_BY_NAME = frozenset({"trace_name"})
_BY_MODEL = frozenset({"span_model_name", "span_model_provider"})

# As numbers: what a judge says by yes and no, or by true and false, is one too.
# A text such as nan is a number to DuckDB, and would make NaN of an average.
_VALUE = """CASE WHEN a."value" = 'true' THEN 1.0 WHEN a."value" = 'false' THEN 0.0
  WHEN starts_with(a."value", '"') THEN
    CASE lower(trim(TRY(json_extract_string(a."value", '$'))))
      WHEN 'yes' THEN 1.0 WHEN 'no' THEN 0.0 END
  WHEN isfinite(TRY_CAST(a."value" AS DOUBLE)) THEN TRY_CAST(a."value" AS DOUBLE) END"""

METRICS: Mapping[str, Mapping[str, Measured]] = {
    "TRACES": {
        "trace_count": Measured("t.trace_id", _COUNT, _BY_NAME | {"trace_status"}),
        "session_count": Measured("DISTINCT t.session_id", _COUNT, frozenset()),
        "latency": Measured("t.execution_duration", _SPREAD, _BY_NAME),
        **{
            name: Measured(f"t.{column}", _SUMMED, _BY_NAME)
            for column, name in trace_info.TOKEN_NAMES.items()
        },
    },
    "SPANS": {
        "span_count": Measured(
            "s.span_id", _COUNT, _BY_MODEL | {"span_name", "span_type", "span_status"}
        ),
        "latency": Measured(
            "(s.end_time_ns - s.start_time_ns) // 1000000",
            _SPREAD,
            frozenset({"span_name", "span_status"}),
        ),
        **{
            name: Measured(f"s.{column}", _SUMMED, _BY_MODEL, is_whole=False, by_span=True)
            for column, name in trace_info.COST_NAMES.items()
        },
    },
    "ASSESSMENTS": {
        "assessment_count": Measured(
            "a.assessment_id", _COUNT, frozenset({"assessment_name", "assessment_value"})
        ),
        "assessment_value": Measured(
            f"({_VALUE})", _SPREAD, frozenset({"assessment_name"}), is_whole=False
        ),
    },
}
"""What may be asked for, by what it is about."""

_DIMENSIONS = {
    "trace_name": 't."name"',
    "trace_status": "t.state",
    "span_name": 's."name"',
    "span_type": "s.span_type",
    "span_status": "s.status",
    "span_model_name": "s.request_model",
    "span_model_provider": "s.provider",
    "assessment_name": 'a."name"',
    "assessment_value": 'a."value"',
}

_FILTERS = {
    ("trace", "status"): "t.state",
    ("span", "name"): 's."name"',
    ("span", "status"): "s.status",
    ("span", "type"): "s.span_type",
    ("assessment", "name"): 'a."name"',
    ("assessment", "type"): 'a."kind"',
}
_COLUMNS_OF_KEYS = {
    ("tag", trace_info.TRACE_NAME): 't."name"',
    ("metadata", trace_info.SESSION): "t.session_id",
    ("metadata", trace_info.SOURCE_RUN): "t.run_id",
}
_TABLES_OF_KEYS = {"tag": TRACE_TAGS.name, "metadata": TRACE_METADATA.name}

_ROWS = {
    "TRACES": (f"{TRACES.name} AS t", (TRACES.name,)),
    "SPANS": (
        f"{SPANS.name} AS s JOIN {TRACES.name} AS t ON t.trace_id = s.trace_id",
        (SPANS.name, TRACES.name),
    ),
    "ASSESSMENTS": (
        f"{ASSESSMENTS.name} AS a JOIN {TRACES.name} AS t ON t.trace_id = a.trace_id",
        (ASSESSMENTS.name, TRACES.name),
    ),
}
_SPAN_MS = "s.start_time_ns // 1000000"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the traces of some experiments.

    Attributes:
        experiment_ids: The experiments.
        view: What it is about: a key of ``METRICS``.
        metric: A name of ``METRICS`` for that.
        aggregations: How the values of a group become one.
        dimensions: What values are grouped by, in the order of the rows.
        filters: What must hold, all of it.
        interval_s: Length of the intervals that rows are grouped by before all else.
        start_ms: From when on, milliseconds since the Unix epoch; None for ever.
        end_ms: Until when, that millisecond included; None for ever.
        most: Rows.
    """

    experiment_ids: tuple[str, ...]
    view: str
    metric: str
    aggregations: tuple[Aggregation, ...]
    dimensions: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    interval_s: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    most: int = 1_000


def measured(reader: Reader, question: Question) -> list[tuple[dict[str, Any], Sequence[Any]]]:
    """Return rows: what values are grouped by, and the aggregates, None where there is none.

    Args:
        reader: What reads the lake.
        question: What is asked.

    Raises:
        InvalidInputError: There is no such metric, or it is not aggregated or grouped so.
    """
    statement, grouped = statement_of(question)
    (found,) = reader.tables([statement], question.experiment_ids, None)
    return [
        (dict(zip(grouped, row[: len(grouped)], strict=True)), row[len(grouped) :])
        for row in zip(*(column.to_pylist() for column in found.columns), strict=True)
    ]


def statement_of(question: Question) -> tuple[Statement, list[str]]:
    """Return the statement of a question, and the names of what it groups by.

    Errors as for ``measured``.
    """
    metric = METRICS.get(question.view, {}).get(question.metric)
    if metric is None:
        raise InvalidInputError(
            f"there is no metric {question.metric!r} of {question.view!r}",
            hint=f"there are {', '.join(METRICS.get(question.view, METRICS))}",
        )
    _check(question, metric)
    values: dict[str, Any] = {}
    bind = binding(values)
    time = _SPAN_MS if question.view == "SPANS" else "t.request_time"
    groups = {each: _DIMENSIONS[each] for each in question.dimensions}
    if question.interval_s:
        length = bind(int(question.interval_s) * 1_000)
        groups = {TIME_BUCKET: f"({time} // {length}) * {length}"} | groups
    rows, tables = _ROWS[question.view]
    conditions = _conditions(question, metric, bind)
    conditions += [f"{each} IS NOT NULL" for each in groups.values()]
    listed = [
        *groups.values(),
        *(_aggregate(each, metric, bind) for each in question.aggregations),
    ]
    sql = f"SELECT {', '.join(listed)} FROM {rows} WHERE {' AND '.join(conditions)}"  # noqa: S608
    if groups:
        numbers = ", ".join(map(str, range(1, len(groups) + 1)))
        sql += f" GROUP BY {numbers} ORDER BY {numbers}"
    sql += f" LIMIT {bind(question.most)}"
    of_keys = {
        table
        for each in question.filters
        for table in (_TABLES_OF_KEYS.get(each.what), TRACE_RUNS.name)
        if table and each.key is not None
    }
    return Statement(sql, values, (*tables, *sorted(of_keys))), list(groups)


def _check(question: Question, metric: Measured) -> None:
    named = {each.name for each in question.aggregations}
    for noun, given, known in (
        ("aggregations", named, metric.aggregates),
        ("dimensions", set(question.dimensions), metric.dimensions),
    ):
        if given - known:
            raise InvalidInputError(
                f"{question.metric!r} has no {noun} {', '.join(sorted(given - known))}",
                hint=f"there are {', '.join(sorted(known)) or 'none'}",
            )


def _aggregate(aggregation: Aggregation, metric: Measured, bind: Bind) -> str:
    value = metric.value
    if aggregation.name == "PERCENTILE":
        # It takes a constant, and a parameter is one.
        return f"quantile_cont({value}, {bind((aggregation.percentile or 0) / 100)}::DOUBLE)"
    # A sum of BIGINTs is a HUGEINT to DuckDB.
    found = f"{aggregation.name}({value})"
    return f"{found}::BIGINT" if metric.is_whole and aggregation.name == "SUM" else found


def _conditions(question: Question, metric: Measured, bind: Bind) -> list[str]:
    """Return what must hold of a row."""
    # Traces and what is said of them are in one experiment; so files of both are left out.
    aliases = [each for each in ("t", "s", "a") if f" AS {each}" in _ROWS[question.view][0]]
    found = [among(f"{each}.experiment_id", question.experiment_ids, bind) for each in aliases]
    found.append(f"{metric.value.removeprefix('DISTINCT ')} IS NOT NULL")
    if question.view == "ASSESSMENTS":
        found.append(
            # Without nulls: NOT IN of something with a null in it is never true.
            f"a.assessment_id NOT IN (SELECT overrides FROM {ASSESSMENTS.name} "  # noqa: S608
            "WHERE overrides IS NOT NULL)"
        )
    found += _within(question, metric, bind)
    return found + [_held(each, question.view, bind) for each in question.filters]


def _within(question: Question, metric: Measured, bind: Bind) -> list[str]:
    """Return that a row is of the time that is asked for."""
    time = _SPAN_MS if metric.by_span else "t.request_time"
    bounds = ((">=", question.start_ms), ("<=", question.end_ms))
    return [
        f"{time} {operator} {bind(int(bound))}"
        for operator, bound in bounds
        if bound is not None
    ]


def _held(each: Filter, view: str, bind: Bind) -> str:
    """Return that a filter holds."""
    if each.of != "trace" and each.of.upper() + "S" != view:
        raise InvalidInputError(f"a filter of {view} cannot be about a {each.of}")
    if each.key is None:
        return f"{_FILTERS[each.of, each.what]} = {bind(each.value)}"
    column = _COLUMNS_OF_KEYS.get((each.what, each.key))
    if column is None:
        table = _TABLES_OF_KEYS[each.what]
        return (
            f'(t.trace_id IN (SELECT trace_id FROM {table} WHERE "key" = {bind(each.key)} '  # noqa: S608
            f'AND "value" = {bind(each.value)}))'
        )
    found = f"{column} = {bind(each.value)}"
    if each.key != trace_info.SOURCE_RUN:
        return found
    linked = f"SELECT trace_id FROM {TRACE_RUNS.name} WHERE run_id = {bind(each.value)}"  # noqa: S608
    return f"({found} OR t.trace_id IN ({linked}))"
