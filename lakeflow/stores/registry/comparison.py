"""Two model versions side by side, with the runs that made them. Pure."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities.tag_names import DATASET_CONTEXT, GIT_COMMIT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lakeflow.entities import Run
    from lakeflow.entities.model_registry import ModelVersion

_FIELDS = (
    "creation_timestamp",
    "last_updated_timestamp",
    "user_id",
    "description",
    "current_stage",
    "aliases",
    "approval",
    "source",
    "run_id",
    "run_link",
    "status",
)
_MISSING = "missing"


class Compared(NamedTuple):
    """One thing of two versions.

    Attributes:
        part: What it belongs to: ``version``, ``version tag``, ``run``, ``param``,
            ``metric``, ``run tag`` or ``dataset``.
        key: Its name there.
        a: What the first version has; None for nothing.
        b: The same of the second one.
    """

    part: str
    key: str
    a: str | None
    b: str | None


def compared(
    a: ModelVersion, run_a: Run | None, b: ModelVersion, run_b: Run | None
) -> list[Compared]:
    """Return all that two versions and their runs have, by part and key.

    Args:
        a: A version.
        run_a: Its run; None if it names none, or the run is not in the lake.
        b: Another version.
        run_b: Its run.
    """
    sides = [dict(_parts(version, run)) for version, run in ((a, run_a), (b, run_b))]
    rows: list[Compared] = []
    for part, values_a in sides[0].items():
        values_b = sides[1][part]
        keys = dict.fromkeys([*values_a, *values_b])
        # Those of a version are in an order of their own.
        rows += [
            Compared(part, key, values_a.get(key), values_b.get(key))
            for key in (keys if part in {"version", "run"} else sorted(keys))
        ]
    return rows


def is_telling(row: Compared) -> bool:
    """Return whether a row says what is different, or that a run cannot be compared."""
    return row.a != row.b or (row.part, row.key, row.a) == ("run", "state", _MISSING)


def _parts(
    version: ModelVersion, run: Run | None
) -> Iterator[tuple[str, Mapping[str, str | None]]]:
    yield "version", {name: _shown(name, getattr(version, name)) for name in _FIELDS}
    yield "version tag", version.tags
    state = _MISSING if run is None else run.info.lifecycle_stage
    tags = {} if run is None else run.data.tags
    # A version that names no run has none that could be missing.
    yield (
        "run",
        {"state": state if version.run_id else None, "source commit": tags.get(GIT_COMMIT)},
    )
    metrics = {} if run is None else run.data.metrics
    yield "param", {} if run is None else run.data.params
    yield "metric", {key: repr(value) for key, value in metrics.items()}
    yield "dataset", {} if run is None else _datasets(run)
    yield "run tag", {key: value for key, value in tags.items() if key != GIT_COMMIT}


def _shown(name: str, value: Any) -> str | None:
    if name.endswith("_timestamp") and value is not None:
        time = datetime.datetime.fromtimestamp(value / 1000, datetime.UTC)
        return time.isoformat(sep=" ", timespec="milliseconds")
    if isinstance(value, list):
        return ", ".join(value) or None
    return None if value is None else str(value)


def _datasets(run: Run) -> dict[str, str | None]:
    """Return the digests of the datasets of a run, and what they were for, by name."""
    found: dict[str, list[str]] = {}
    for each in run.inputs.dataset_inputs:
        contexts = [tag.value for tag in each.tags if tag.key == DATASET_CONTEXT]
        purpose = f" ({contexts[0]})" if contexts else ""
        found.setdefault(each.dataset.name, []).append(f"{each.dataset.digest}{purpose}")
    return {name: ", ".join(sorted(digests)) for name, digests in found.items()}
