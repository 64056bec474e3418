"""Lines of the log that every parser reads alike, told apart without parsing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.log.line_reader import array_of_lines
from lakeflow.schema import (
    ARTIFACTS,
    ASSESSMENTS,
    EVALUATION_DATASET_EXPERIMENTS,
    EVALUATION_DATASET_FIELDS,
    EVALUATION_DATASET_RECORDS,
    EVALUATION_DATASET_TAGS,
    EVALUATION_DATASETS,
    INPUTS,
    LOGGED_MODEL_FILES,
    LOGGED_MODEL_METRICS,
    LOGGED_MODEL_PARAMS,
    LOGGED_MODEL_TAGS,
    LOGGED_MODELS,
    MODEL_INPUTS,
    MODEL_OUTPUTS,
    SPANS,
    TRACE_METADATA,
    TRACE_PROMPTS,
    TRACE_RUNS,
    TRACE_TAGS,
    TRACES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lakeflow.schema import Column, TableSpec

# Lines as ``records`` and the stores write them, in that order: of these it is known that all
# parsers read them alike. Any other may have a name twice, 1.0 for 1, or a text for a number.
_TEXT = r'"[^"\\\x00-\x1f]*(?:\\["\\/bfnrt][^"\\\x00-\x1f]*)*"'
# What 64 bits hold for certain: 18 digits, and as nanoseconds all below 9 * 10**18.
_WHOLE = r"-?(?:0|[1-9][0-9]{0,17})"
_NANOSECONDS = r"-?(?:0|[1-8][0-9]{0,18}|9[0-9]{0,17})"
# Of two pairs the names might be one.
_OF_A_PAIR = r'\\"[^"\\\x00-\x1f]*\\"'
_OBJECT = rf'"\{{(?:{_OF_A_PAIR}:{_OF_A_PAIR})?\}}"'
_NUMBER = r"(?:-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|NaN|-?Infinity)"


def _or_null(value: str) -> str:
    return f"(?:{value}|null)"


def _list_of(value: str) -> str:
    return rf"\[(?:{value}(?:,{value})*)?\]"


def _columns(**columns: str) -> str:
    listed = ",".join(f'"{name}":{_list_of(value)}' for name, value in columns.items())
    return rf"\{{{listed}\}}"


def _one_row(**columns: str) -> str:
    """Return the pattern of a row of some of the columns, in this order."""
    each = [rf'"{name}":\[{value}\]' for name, value in columns.items()]
    begun = (
        first + "".join(f"(?:,{other})?" for other in each[place + 1 :])
        for place, first in enumerate(each)
    )
    return rf"\{{(?:{'|'.join(begun)})\}}"


_OF_LINE = {"experiment_id", "run_id", "clock"}
"""Columns whose values a line about a run says once."""

_FIELDS = {
    "runs": _one_row(
        start_time=_WHOLE,
        status=_TEXT,
        end_time=_WHOLE,
        lifecycle_stage=_TEXT,
        run_name=_TEXT,
        user_id=_TEXT,
        artifact_uri=_TEXT,
    ),
    "tags": _columns(key=_TEXT, value=_or_null(_TEXT)),
    "metrics": _columns(key=_TEXT, value=_NUMBER, timestamp=_WHOLE, step=_WHOLE),
    "params": _columns(key=_TEXT, value=_TEXT),
}


def _rows_of(spec: TableSpec) -> str:
    """Return the pattern of rows about a run by column: all but what the line says of them."""
    columns = {}
    for column in spec.columns:
        value = {"string": _OBJECT if column.is_object else _TEXT, "long": _WHOLE}[column.type]
        columns[column.name] = _or_null(value) if column.nullable else value
    return _columns(**{name: value for name, value in columns.items() if name not in _OF_LINE})


def _some_of(spec: TableSpec) -> str:
    """Return the pattern of rows of a table by column: the first one, and any after it."""
    first, *others = (f'"{column.name}":{_values(column)}' for column in spec.columns)
    return rf"\{{{first}{''.join(f'(?:,{other})?' for other in others)}\}}"


def _values(column: Column) -> str:
    """Return the pattern of a list, in which a value stands once: the whole stays small.

    It also fits what is no JSON, such as a second bracket: no parser takes that.
    """
    value = {"string": _TEXT, "double": _NUMBER}.get(column.type, _NANOSECONDS)
    return rf"(?:[\[,]{_or_null(value)})+\]"


def _any_of(fields: Mapping[str, str]) -> str:
    return "".join(f'(?:"{name}":{rows},)?' for name, rows in fields.items())


_OF_TRACES = {
    spec.name: _some_of(spec)
    for spec in (
        TRACES,
        TRACE_TAGS,
        TRACE_METADATA,
        TRACE_RUNS,
        TRACE_PROMPTS,
        SPANS,
        ASSESSMENTS,
    )
}

_OF_DATASETS = {
    spec.name: _some_of(spec)
    for spec in (
        EVALUATION_DATASETS,
        EVALUATION_DATASET_TAGS,
        EVALUATION_DATASET_EXPERIMENTS,
        EVALUATION_DATASET_FIELDS,
        EVALUATION_DATASET_RECORDS,
    )
}

_OF_MODELS = {
    spec.name: _some_of(spec)
    for spec in (LOGGED_MODELS, LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS, LOGGED_MODEL_FILES)
}

_OF_RUNS_AND_MODELS = {
    **{name: _FIELDS[name] for name in ("runs", "tags", "metrics")},
    LOGGED_MODEL_METRICS.name: _some_of(LOGGED_MODEL_METRICS),
    "params": _FIELDS["params"],
    **{spec.name: _rows_of(spec) for spec in (INPUTS, MODEL_INPUTS, MODEL_OUTPUTS)},
}

_OF_FILES = {ARTIFACTS.name: _rows_of(ARTIFACTS), "tags": _FIELDS["tags"]}

_PLACE = '(?:"copied_place":[1-9][0-9]{0,8},)?'
_COPY = rf'(?:"copied_at":{_WHOLE},"copied_from":{_TEXT},{_PLACE})?'

_BEGIN = rf"\A\{{{_COPY}"
_END = rf'"seq":{_WHOLE},"clock":{_WHOLE}\}}\n\z'

_RUN = rf'"experiment_id":{_TEXT},"run_id":{_TEXT},'

# All in one would be so large that RE2 takes twenty times as long.
_PLAIN = (
    f"{_RUN}{_any_of(_FIELDS)}".join((_BEGIN, _END)),
    f"{_RUN}{_any_of(_OF_FILES)}".join((_BEGIN, _END)),
    f"{_RUN}{_any_of(_OF_RUNS_AND_MODELS)}".join((_BEGIN, _END)),
    _any_of(_OF_MODELS).join((_BEGIN, _END)),
    _any_of(_OF_TRACES).join((_BEGIN, _END)),
    _any_of(_OF_DATASETS).join((_BEGIN, _END)),
)
"""Lines as lakeflow writes them itself, in the language of RE2.

About a run, about its files, about a run with datasets and logged models, about these models,
about traces, about evaluation datasets.
"""


def are_plain(data: bytes) -> bool:
    """Return whether lines are as lakeflow writes them itself: all parsers read them alike."""
    import pyarrow.compute

    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return False
    # Without a copy of any line; and several times as fast as Python's own expressions.
    lines = array_of_lines(data)
    for pattern in _PLAIN:
        matches = pyarrow.compute.match_substring_regex(lines, pattern)
        if matches.true_count == len(lines):
            return True
        # Copies what is left of them, which may be all.
        if matches.true_count:
            lines = lines.filter(pyarrow.compute.invert(matches))
    return False
