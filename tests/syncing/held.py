"""All that a lake holds, to be compared with what another one does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import ViewType
from lakeflow.kinds import KINDS
from lakeflow.scans import _frame_of

if TYPE_CHECKING:
    from lakeflow.stores.store import Store


def held(store: Store) -> dict[str, list[str]]:
    """Return all rows of all tables, with experiments by name."""
    names = {each.experiment_id: each.name for each in store.experiments.search(ViewType.ALL)}
    found = {}
    for kind in KINDS:
        for spec in () if kind.is_controlled else kind.tables:
            frame = _frame_of(store.lake, store.columns.scan(kind, spec)).collect()
            rows = [
                {
                    name: names[each] if name == "experiment_id" else each
                    for name, each in row.items()
                }
                for row in frame.iter_rows(named=True)
            ]
            found[spec.name] = sorted(map(repr, rows))
    return found
