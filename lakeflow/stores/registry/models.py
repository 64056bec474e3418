"""Registered models: made, changed and looked up in the control log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lakeflow.entities import PagedList, validation
from lakeflow.entities.model_registry import names
from lakeflow.entities.model_registry.model_version_stages import (
    ALL_STAGES,
    get_canonical_stage,
    warn_of_stages,
)
from lakeflow.exceptions import (
    AlreadyExistsError,
    InvalidInputError,
    InvalidStateError,
    LakeflowException,
)
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL
from lakeflow.schema import REGISTERED_MODEL_ALIASES, REGISTERED_MODEL_TAGS, REGISTERED_MODELS
from lakeflow.stores import searching
from lakeflow.stores.registry.changes import Changes
from lakeflow.stores.registry.history import RegistryHistory
from lakeflow.stores.registry.known import require_model, require_version
from lakeflow.stores.registry.state import (
    APPROVED,
    aliases_of,
    fields_of,
    latest_ids,
    registered_model,
    stages_of,
    tags_of,
)

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.entities.model_registry import ModelVersion, RegisteredModel
    from lakeflow.lake import Lake
    from lakeflow.query.language.conditions import Condition
    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing


class RegisteredModelStore:
    """Registered models of a lake.

    Args:
        lake: The lake.
        control: What looks them up and changes them.
        reader: What searches them.

    Attributes:
        history: What was ever changed in them.
    """

    def __init__(self, lake: Lake, control: ControlStore, reader: Reader) -> None:
        # Versions are asked for their past by way of this store, too.
        self.history = RegistryHistory(reader)
        self._lake = lake
        self._control = control
        self._reader = reader

    # Read

    def get(self, name: str, as_of: int | datetime.datetime | None = None) -> RegisteredModel:
        """Return a model; see ``LakeflowClient.get_registered_model``."""
        if as_of is not None:
            return self.history.model(name, as_of).model()
        known = self._control.known()
        return _entity(known, require_model(known, name))

    def latest_versions(
        self,
        name: str,
        stages: Sequence[str] | None,
        as_of: int | datetime.datetime | None = None,
    ) -> list[ModelVersion]:
        """Return versions; see ``LakeflowClient.get_latest_versions``."""
        warn_of_stages("get_latest_versions")
        latest = self.get(name, as_of).latest_versions
        wanted = {get_canonical_stage(stage) for stage in stages or ALL_STAGES}
        return [version for version in latest if version.current_stage in wanted]

    def search(
        self,
        filter_string: str | None,
        max_results: object,
        order_by: Sequence[str] | None,
        page_token: str | None,
        as_of: int | datetime.datetime | None = None,
        also: Condition | None = None,
    ) -> PagedList[RegisteredModel]:
        """Return one page of models; see ``LakeflowClient.search_registered_models``.

        ``also`` is what must hold besides the filter.
        """
        past = self.history.searched(REGISTERED_MODEL, filter_string, as_of)
        page = searching.page_of(
            self._lake,
            past or self._reader,
            REGISTERED_MODEL,
            filter_string,
            max_results,
            order_by,
            page_token,
            also=also,
            as_of=as_of,
        )
        if past is not None:
            return PagedList(past.models(page), page.token)
        models = self._reader.things(REGISTERED_MODEL, page.ids, page.snapshot_id)
        ids = [identity for model in models for identity in latest_ids(model)]
        versions = self._reader.things(MODEL_VERSION, ids, page.snapshot_id)
        by_id = {version.id: version for version in versions}
        return PagedList([registered_model(model, by_id) for model in models], page.token)

    # Change

    def create(
        self, name: str, tags: Mapping[str, Any] | None = None, description: str | None = None
    ) -> RegisteredModel:
        """Make a model; see ``LakeflowClient.create_registered_model``."""
        names.model_name(name)
        pairs, text = names.tags(tags), names.described(description)

        def decide(changes: Changes) -> str:
            return create_model(changes, name, pairs, text)

        self.change(decide)
        return self._changed(name)

    def rename(self, name: str, new_name: str) -> None:
        """Give a model another name; see ``LakeflowClient.rename_registered_model``."""
        wanted = names.new_name(new_name)

        def decide(changes: Changes) -> None:
            model = require_model(changes.known, name)
            if wanted != name:
                _require_free(changes.known, wanted)
            # In MLflow a rename changes all versions: the time is kept here, and not in a
            # record for each.
            changes.set_model(model.id, name=wanted, renamed_timestamp=changes.known.now_ms)
            changes.note(
                fields_of(model) | {"name": wanted},
                "rename_registered_model",
                before={"name": name},
                after={"name": wanted},
            )

        self.change(decide)

    def update(self, name: str, description: str | None) -> RegisteredModel:
        """Set the description of a model; see ``LakeflowClient.update_registered_model``."""
        if description is None:
            raise LakeflowException(
                "Attempting to update registered model with no new field values."
            )
        text = names.described(description)

        def decide(changes: Changes) -> None:
            model = require_model(changes.known, name)
            changes.set_model(model.id, description=text)
            changes.note(
                model,
                "update_registered_model",
                before={"description": fields_of(model)["description"]},
                after={"description": text},
            )

        self.change(decide)
        return self._changed(name)

    def delete(self, name: str) -> None:
        """Remove a model; see ``LakeflowClient.delete_registered_model``."""

        def decide(changes: Changes) -> None:
            model = require_model(changes.known, name)
            # Its versions go with it: what is removed is gone with all that it owns.
            changes.remove(REGISTERED_MODEL, model.id)
            fields = fields_of(model)
            before = {each: fields[each] for each in ("name", "description", "last_version")}
            changes.note(
                model,
                "delete_registered_model",
                before={**before, "tags": tags_of(model), "aliases": aliases_of(model)},
            )

        self.change(decide)

    def set_tag(self, name: str, key: str, value: object) -> None:
        """Set a tag; see ``LakeflowClient.set_registered_model_tag``."""
        names.model_name(name)
        key, text = validation.key(key), validation.text(value)
        self._put_tag("set_registered_model_tag", name, key, text)

    def delete_tag(self, name: str, key: str) -> None:
        """Remove a tag; see ``LakeflowClient.delete_registered_model_tag``."""
        names.model_name(name)
        self._put_tag("delete_registered_model_tag", name, validation.key(key), None)

    def _put_tag(self, action: str, name: str, key: str, value: str | None) -> None:
        def decide(changes: Changes) -> None:
            changes.put_tag(require_model(changes.known, name), action, key, value)

        self.change(decide)

    def set_alias(self, name: str, alias: str, version: object) -> None:
        """Move an alias to a version; see ``LakeflowClient.set_registered_model_alias``."""
        # In MLflow's order, by which one of several errors is told.
        names.model_name(name)
        names.alias(alias)
        number = names.version(version)

        def decide(changes: Changes) -> None:
            model, found = require_version(changes.known, name, number)
            approval = fields_of(found)["approval"]
            if fields_of(model)["requires_approval"] and approval != APPROVED:
                raise InvalidStateError(
                    f"the alias {alias!r} of {name!r} cannot move to version {number}, which "
                    f"is {approval or 'not approved'}: the model requires approval",
                    hint="lakeflow.registry.approve_model_version approves it",
                )
            put_alias(changes, model, "set_registered_model_alias", alias, number)

        self.change(decide)

    def delete_alias(self, name: str, alias: str) -> None:
        """Remove an alias; see ``LakeflowClient.delete_registered_model_alias``."""
        names.model_name(name)
        names.alias(alias)

        def decide(changes: Changes) -> None:
            model = require_model(changes.known, name)
            if alias in aliases_of(model):
                put_alias(changes, model, "delete_registered_model_alias", alias, None)

        self.change(decide)

    def require_approval(self, name: str, required: bool) -> None:
        """Set whether aliases move to approved versions only; see ``lakeflow.registry``."""
        if not isinstance(required, bool):
            raise InvalidInputError(f"required is {required!r}, not True or False")

        def decide(changes: Changes) -> None:
            model = require_model(changes.known, name)
            before = bool(fields_of(model)["requires_approval"])
            if before == required:
                return
            # What aliases point at stays: only people take a version away from jobs that run.
            changes.set_model(model.id, requires_approval=int(required))
            changes.note(
                model,
                "require_approval",
                before={"requires_approval": before},
                after={"requires_approval": required},
            )

        self.change(decide)

    def _changed(self, name: str) -> RegisteredModel:
        # This process has just changed it: another look would say nothing new.
        known = self._control.known(math.inf)
        return _entity(known, require_model(known, name))

    def change(self, decide: Callable[[Changes], Any]) -> Any:
        """Make a change, all of it or nothing.

        Args:
            decide: Gathers it, on what is known; it may raise to refuse.

        Returns:
            What that returned.
        """

        def gather(known: Draft) -> tuple[list[str], Any]:
            changes = Changes(known)
            result = decide(changes)
            return changes.bodies(), result

        return self._control.change(gather)


def create_model(
    changes: Changes, name: str, tags: Mapping[str, str], description: str | None
) -> str:
    """Make a model, and return its id.

    Raises:
        AlreadyExistsError: There is one of this name.
    """
    _require_free(changes.known, name)
    row = {
        "model_id": str(changes.known.next_number(REGISTERED_MODEL)),
        "name": name,
        "creation_timestamp": changes.known.now_ms,
        "last_updated_timestamp": changes.known.now_ms,
        "description": description,
        "last_version": 0,
        "requires_approval": 0,
    }
    changes.put(REGISTERED_MODELS, row)
    for key, value in tags.items():
        tag = {"model_id": row["model_id"], "key": key, "value": value}
        changes.put(REGISTERED_MODEL_TAGS, tag)
    after = {"name": name, "description": description, "tags": tags}
    changes.note(row, "create_registered_model", after=after)
    return str(row["model_id"])


def found_or_made(
    changes: Changes, name: str, *, makes_model: bool
) -> tuple[Mapping[str, Any], Mapping[str, tuple[int, int]]]:
    """Return the row of a model and its stages; the model is made where there is none.

    Raises:
        NotFoundError: There is none, and none is to be made.
    """
    if makes_model and changes.known.find(REGISTERED_MODEL, "name", name) is None:
        model_id = create_model(changes, name, {}, None)
        return {"model_id": model_id, "name": name, "last_version": 0}, {}
    model = require_model(changes.known, name)
    return fields_of(model), stages_of(model)


def put_alias(
    changes: Changes, model: Thing, action: str, alias: str, version: int | None
) -> None:
    """Let an alias point at a version, or at none any more."""
    row = {"model_id": model.id, "alias": alias, "version": version}
    changes.put(REGISTERED_MODEL_ALIASES, row)
    before = aliases_of(model).get(alias)
    about = before if version is None else version
    changes.note_value(model, action, alias, "version", before, version, about)


def _require_free(known: Known, name: str) -> None:
    if known.find(REGISTERED_MODEL, "name", name) is not None:
        raise AlreadyExistsError(
            f"Registered Model (name={name}) already exists", hint="choose another name"
        )


def _entity(known: Known, model: Thing) -> RegisteredModel:
    return registered_model(model, known.things(MODEL_VERSION, latest_ids(model)))
