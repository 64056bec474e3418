"""Registered models of one lake in another one: found by name, versions by number."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from lakeflow.importing.destination.registered_models import write_models
from lakeflow.importing.model_items import ModelVersionItem, RegisteredModelItem
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL
from lakeflow.stores.registry.locations import resolved
from lakeflow.stores.registry.state import aliases_of, fields_of, last_updated, tags_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lakeflow.stores.control import Known
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Thing

_AT_ONCE = 1_000


def bring_models(source: Store, target: Store, problem: Callable[[str], None]) -> None:
    """Bring models and versions that a lake lacks; what it has stays as it is there.

    Args:
        source: Where they are.
        target: The other lake.
        problem: Told of versions whose numbers others have in the target.
    """
    known, root = source.control.known(), target.lake.fs.uri
    numbers: dict[str, list[str]] = defaultdict(list)
    for identity in known.ids(MODEL_VERSION):
        numbers[identity.rpartition(".")[0]].append(identity)

    def located(versions: Sequence[ModelVersionItem]) -> list[str]:
        return [each.storage_location or each.source for each in versions]

    def models() -> Iterator[tuple[RegisteredModelItem, Iterator[ModelVersionItem]]]:
        ids = known.ids(REGISTERED_MODEL)
        for start in range(0, len(ids), _AT_ONCE):
            found = known.things(REGISTERED_MODEL, ids[start : start + _AT_ONCE])
            for model in found.values():
                yield _model(model), _versions(known, model, numbers[model.id], root)

    # It writes as it is asked for more; what it yields is for the report of an import.
    for _ in write_models(
        target,
        models(),
        lambda found: problem(f"{found.where}: {found.why}"),
        located,
    ):
        pass


def _model(model: Thing) -> RegisteredModelItem:
    row = fields_of(model)
    return RegisteredModelItem(
        row["name"],
        row["creation_timestamp"],
        row["last_updated_timestamp"],
        row["description"],
        tags_of(model),
        aliases_of(model),
        row["last_version"],
    )


def _versions(
    known: Known, model: Thing, ids: list[str], root: str
) -> Iterator[ModelVersionItem]:
    # By number: as texts 10 comes before 9.
    ids.sort(key=lambda identity: int(identity.rpartition(".")[2]))
    for start in range(0, len(ids), _AT_ONCE):
        for version in known.things(MODEL_VERSION, ids[start : start + _AT_ONCE]).values():
            row = fields_of(version)
            place = row["storage_location"]
            yield ModelVersionItem(
                row["version"],
                row["creation_timestamp"],
                last_updated(row, fields_of(model)),
                # A place within the one lake is one within the other.
                resolved(root, row["source"]),
                None if place is None else resolved(root, place),
                row["current_stage"],
                row["description"],
                row["user_id"],
                row["run_id"],
                row["run_link"],
                row["status"],
                row["status_message"],
                tags_of(version),
            )
