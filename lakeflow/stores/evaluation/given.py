"""What users give as records, as dictionaries: checked, with where each comes from. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lakeflow.entities import DatasetRecordSourceType, Trace, tag_names, trace_info
from lakeflow.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Given = dict[str, Any]

SESSION_FIELDS = frozenset({"persona", "goal", "context", "simulation_guidelines"})
"""Inputs of a record that is about a whole conversation; it has a ``goal``."""


def records_of(given: Any, user: str | None) -> list[Given]:
    """Return records as dictionaries that the caller may change.

    Args:
        given: A list of dictionaries or of traces, or a frame of pandas or polars.
        user: Who merges them; None where that is not known.

    Raises:
        InvalidInputError: They are something else, or one has no inputs.
    """
    records = [_record(each) for each in _listed(given)]
    for record in records:
        _infer_source(record)
        if user is not None:
            record["tags"] = {tag_names.USER: user, **(record.get("tags") or {})}
    return records


def _listed(given: Any) -> list[Any]:
    """Return what is given as a list."""
    # By what they have, since no library is imported for it. polars first: its frames have a
    # to_dict as well, which takes something else.
    if hasattr(given, "to_dicts"):
        rows = given.to_dicts()
    elif hasattr(given, "to_dict") and hasattr(given, "columns"):
        rows = given.to_dict("records")
    elif isinstance(given, list | tuple):
        return list(given)
    else:
        raise InvalidInputError(
            f"records are {type(given).__name__}, not a list or a frame",
            hint="give a list of dictionaries with 'inputs', a frame, or traces",
        )
    if rows and "trace" in rows[0]:
        return [_trace(row["trace"]) for row in rows]
    # A cell that is empty is a field that is not there.
    return [{name: each for name, each in row.items() if not _is_missing(each)} for row in rows]


def _trace(cell: Any) -> Any:
    # In its frames MLflow 3 has traces as JSON.
    return Trace.from_json(cell) if isinstance(cell, str) else cell


def _is_missing(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell))


def _record(given: Any) -> Given:
    if isinstance(given, Trace):
        return _of_trace(given)
    if not isinstance(given, dict):
        raise InvalidInputError("Each record must be a dictionary")
    if "inputs" not in given:
        raise InvalidInputError("Each record must have an 'inputs' field")
    return dict(given)


def _of_trace(trace: Trace) -> Given:
    root = next((span for span in trace.data.spans if span.parent_id is None), None)
    expectations = trace.search_assessments(type="expectation")
    source = {"trace_id": trace.info.trace_id}
    session = trace.info.trace_metadata.get(trace_info.SESSION)
    if session:
        source["session_id"] = session
    return {
        "inputs": {} if root is None or root.inputs is None else root.inputs,
        "outputs": None if root is None else root.outputs,
        "expectations": {each.name: each.value for each in expectations},
        "source": {"source_type": DatasetRecordSourceType.TRACE, "source_data": source},
    }


def _infer_source(record: Given) -> None:
    """Say where a record comes from that does not: of a person if it says what should be."""
    if "source" in record:
        return
    kind = None
    if record.get("expectations"):
        kind = DatasetRecordSourceType.HUMAN
    # As in MLflow: expectations that are empty tell neither.
    elif "expectations" not in record:
        kind = DatasetRecordSourceType.CODE
    if kind is not None:
        record["source"] = {"source_type": kind, "source_data": {}}


def check_fields(records: Iterable[Given], known: Iterable[str]) -> None:
    """Check that records are all about single calls, or all about conversations.

    Args:
        records: The records.
        known: Inputs that records of the dataset have.

    Raises:
        InvalidInputError: They are about both.
    """
    found: dict[str, int] = {}
    has_empty = False
    for record in records:
        names = set(_inputs(record))
        if not names:
            has_empty = True
            continue
        about = _about(names)
        if about is None:
            others = sorted(names - SESSION_FIELDS)
            raise InvalidInputError(
                f"Invalid input schema: cannot mix session fields ['goal'] with other fields "
                f"{others}. Consider placing {others} fields inside 'context'."
            )
        found[about] = found.get(about, 0) + 1
    if len(found) > 1:
        counts = ", ".join(f"{n} records with {each} granularity" for each, n in found.items())
        raise InvalidInputError(f"All records must use the same granularity. Found {counts}.")
    _check_with_known(next(iter(found), None), _about(set(known)), has_empty=has_empty)


def _check_with_known(new: str | None, before: str | None, *, has_empty: bool) -> None:
    if has_empty and "session" in {new, before}:
        raise InvalidInputError(
            "Empty inputs are not allowed for session records. The 'goal' field is required."
        )
    if new is not None and before is not None and new != before:
        raise InvalidInputError(
            f"New records use {new} granularity, but existing dataset uses {before}. "
            "Cannot mix granularities."
        )


def _inputs(record: Given) -> Mapping[str, Any]:
    inputs = record.get("inputs")
    if not isinstance(inputs, dict):
        raise InvalidInputError(f"'inputs' is {inputs!r:.100}, not a dictionary")
    return inputs


def _about(names: set[str]) -> str | None:
    """Return what records with these inputs are about; None where they do not tell."""
    if "goal" not in names:
        return "trace" if names else None
    return "session" if names <= SESSION_FIELDS else None
