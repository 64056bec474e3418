"""What a search for logged models asks beside its filter: datasets, and an order by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import LOGGED_MODEL
from lakeflow.query.language.conditions import Combination, Comparison, Field, Not, Ordering
from lakeflow.query.language.filters import parse_order
from lakeflow.schema import LATEST_LOGGED_MODEL_METRICS
from lakeflow.values import replace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.query.engine.search import Search
    from lakeflow.query.language.conditions import Condition

Only = tuple[tuple[tuple[str, str], ...], ...]

_PREFIX = "metrics"
_COLUMNS = ("dataset_name", "dataset_digest")


def with_datasets(
    search: Search,
    datasets: Sequence[Mapping[str, Any]] | None,
    order_by: Sequence[Mapping[str, Any]] | None,
) -> Search:
    """Return a search whose metrics are those of some datasets.

    Args:
        search: The search, with a filter and without an order.
        datasets: Each with ``dataset_name``, and ``dataset_digest`` where it has to be that
            one; None for metrics of any dataset, or of none.
        order_by: Each with ``field_name``; ``ascending`` unless that is False; and the dataset
            whose metric it is.

    Raises:
        InvalidInputError: One of them is malformed.
    """
    order = tuple(map(_ordering, order_by or ()))
    # Of an array nobody can say whether it is true.
    datasets = [] if datasets is None else [*datasets]
    if not datasets:
        return replace(search, order=order)
    if not all(isinstance(each, dict) and each.get("dataset_name") for each in datasets):
        raise InvalidInputError(
            "`dataset_name` in the `datasets` clause must be specified.",
            hint="datasets=[{'dataset_name': 'digits', 'dataset_digest': '1a2b'}]",
        )
    only = tuple(map(_pairs, datasets))
    condition = search.condition
    if _asks_metrics(condition):
        assert condition is not None
        return replace(search, order=order, condition=_narrowed(condition, only))
    # Then any metric of theirs will do.
    table = LATEST_LOGGED_MODEL_METRICS.name
    field = Field(table, '"key"', False, by=("model_id",), rows=_PREFIX, only=only)
    has_any = Not(Comparison(field, "IS NULL"))
    both = has_any if condition is None else Combination("AND", (condition, has_any))
    return replace(search, order=order, condition=both)


def _pairs(dataset: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(dataset[name])) for name in _COLUMNS if dataset.get(name))


def _asks_metrics(condition: Condition | None) -> bool:
    if condition is None:
        return False
    if isinstance(condition, Comparison):
        return bool(condition.field.rows)
    parts = (condition.part,) if isinstance(condition, Not) else condition.parts
    return any(map(_asks_metrics, parts))


def _narrowed(condition: Condition, only: Only) -> Condition:
    if isinstance(condition, Not):
        return Not(_narrowed(condition.part, only))
    if isinstance(condition, Combination):
        parts = tuple(_narrowed(part, only) for part in condition.parts)
        return replace(condition, parts=parts)
    if not condition.field.rows:
        return condition
    return replace(condition, field=replace(condition.field, only=only))


def _ordering(line: Mapping[str, Any]) -> Ordering:
    if not isinstance(line, dict) or not isinstance(line.get("field_name"), str):
        raise InvalidInputError(
            f"`order_by` has {line!r}, which names no field",
            hint="order_by=[{'field_name': 'metrics.accuracy', 'ascending': False}]",
        )
    prefix, dot, name = line["field_name"].partition(".")
    # Whatever characters are in a name: it is not parsed.
    quoted = "`{}`".format((name or prefix).replace("`", "``"))
    direction = "ASC" if line.get("ascending", True) else "DESC"
    text = f"{prefix}.{quoted} {direction}" if dot else f"{quoted} {direction}"
    (parsed,) = parse_order([text], LOGGED_MODEL)
    dataset = _pairs(line)
    if not (parsed.field.rows and dataset):
        return parsed
    return replace(parsed, field=replace(parsed.field, only=(dataset,)))
