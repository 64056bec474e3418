"""Registered models with some of their versions, as the changes of one event. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities import validation
from lakeflow.entities.model_registry import names
from lakeflow.entities.model_registry.model_version_stages import get_canonical_stage
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.importing.destination.checks import kept_pairs
from lakeflow.importing.items import Problem
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL, version_id
from lakeflow.schema import (
    LATEST_VERSIONS,
    MODEL_VERSION_TAGS,
    MODEL_VERSIONS,
    REGISTERED_MODEL_ALIASES,
    REGISTERED_MODEL_TAGS,
    REGISTERED_MODELS,
)
from lakeflow.stores.registry.state import fields_of, stages_of
from lakeflow.stores.registry.version_changes import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakeflow.importing.model_items import ModelVersionItem, RegisteredModelItem
    from lakeflow.schema import TableSpec
    from lakeflow.stores.control import Draft
    from lakeflow.stores.registry.changes import Changes
    from lakeflow.stores.things import Thing


class Part(NamedTuple):
    """A model with some of its versions, as one event takes them."""

    model: RegisteredModelItem
    versions: list[ModelVersionItem]


class Written(NamedTuple):
    """What an event was about.

    Attributes:
        models: How many models are new in the lake.
        versions: How many versions are.
        aliases: Names of models with those of their aliases that it was decided on.
    """

    models: int = 0
    versions: int = 0
    aliases: frozenset[tuple[str, str]] = frozenset()


class ModelEvent:
    """What becomes one event of some models with versions.

    Args:
        changes: What it becomes a part of.

    Attributes:
        written: What is new.
        problems: What the lake does not get.
    """

    def __init__(self, changes: Changes) -> None:
        self.written = Written()
        self.problems: list[Problem] = []
        self._changes = changes
        self._known: Draft = changes.known
        # Counted on here: models of this event are not among what is known.
        self._next_id = self._known.next_number(REGISTERED_MODEL)

    def put(self, part: Part, places: Sequence[str]) -> None:
        """Add a model with some of its versions.

        Args:
            part: The model.
            places: Where the files of each version are, as it is stored.
        """
        item = part.model
        try:
            found = self._known.find(REGISTERED_MODEL, "name", names.model_name(item.name))
            row = self._made(item, part.versions) if found is None else fields_of(found)
        except LakeflowException as error:
            self._miss(item.name, error.message)
            return
        if found is not None:
            tags = self._kept(item.tags, item.name)
            self._add_tags(found, REGISTERED_MODEL_TAGS, tags)
        there, gone = self._put_versions(row, found, part.versions, places)
        self._put_aliases(row, found, item.aliases, there)
        # Of what was deleted in the lake an alias is no loss.
        decided = {(item.name, each) for each, at in item.aliases.items() if at in there | gone}
        self.written = self.written._replace(aliases=self.written.aliases | decided)

    def _miss(self, where: str, why: str, *, is_loss: bool = True) -> None:
        self.problems.append(Problem(f"registered model {where}", why, is_loss))

    def _kept(self, tags: Mapping[str, str], where: str) -> dict[str, str]:
        return kept_pairs(tags, f"registered model {where}: tag", self.problems.append)

    # Models

    def _made(
        self, item: RegisteredModelItem, versions: Sequence[ModelVersionItem]
    ) -> dict[str, Any]:
        tags = self._kept(item.tags, item.name)
        row: dict[str, Any] = {
            "model_id": str(self._next_id),
            "name": item.name,
            "creation_timestamp": _time(item.creation_time),
            "last_updated_timestamp": _time(item.last_updated_time),
            "description": names.described(item.description),
            # Where the source does not say it, its versions do.
            "last_version": max([item.last_version, *(each.version for each in versions)]),
            "requires_approval": 0,
        }
        self._next_id += 1
        self._changes.put(REGISTERED_MODELS, row)
        self._put_tags(REGISTERED_MODEL_TAGS, {"model_id": row["model_id"]}, tags)
        told_of = ("name", "description", "creation_timestamp", "last_updated_timestamp")
        after = {name: row[name] for name in told_of}
        self._changes.note(row, "import_registered_model", after={**after, "tags": tags})
        self.written = self.written._replace(models=self.written.models + 1)
        return row

    def _put_tags(
        self, table: TableSpec, scope: Mapping[str, str], tags: Mapping[str, str]
    ) -> None:
        for key, value in tags.items():
            self._changes.put(table, {**scope, "key": key, "value": value})

    def _add_tags(self, thing: Thing, table: TableSpec, tags: Mapping[str, str]) -> None:
        """Add tags that a model or a version never had here, not even removed ones."""
        version = None
        kind = REGISTERED_MODEL
        if table is MODEL_VERSION_TAGS:
            kind, version = MODEL_VERSION, int(fields_of(thing)["version"])
        known = thing.parts[table.name]
        new = {key: each for key, each in tags.items() if key not in known}
        self._put_tags(table, dict(zip(kind.scope, thing.scope, strict=True)), new)
        model = self._known.thing(REGISTERED_MODEL, thing.scope[0])
        assert model is not None
        of = "registered_model" if version is None else "model_version"
        for key, value in new.items():
            self._changes.note_value(model, f"set_{of}_tag", key, "value", None, value, version)

    # Versions

    def _put_versions(
        self,
        model: Mapping[str, Any],
        found: Thing | None,
        versions: Sequence[ModelVersionItem],
        places: Sequence[str],
    ) -> tuple[set[int], set[int]]:
        """Add versions; return the numbers of those that are there now, and were removed."""
        ids = [version_id(model["model_id"], each.version) for each in versions]
        # A new model has no versions to look up.
        known, removed = {}, set()
        if found is not None:
            known = self._known.things(MODEL_VERSION, ids)
            removed = self._known.removed(MODEL_VERSION, ids)
        new, there, gone = [], set(), set()
        for identity, item, place in zip(ids, versions, places, strict=True):
            where = f"{model['name']}, version {item.version}"
            thing = known.get(identity)
            try:
                if thing is not None:
                    self._check_same(thing, item)
                    self._add_tags(thing, MODEL_VERSION_TAGS, self._kept(item.tags, where))
                elif identity in removed:
                    self._miss(where, "it was deleted in the lake", is_loss=False)
                    gone.add(item.version)
                    continue
                else:
                    self._put_version(model, item, place, self._kept(item.tags, where))
                    new.append(item)
                there.add(item.version)
            except LakeflowException as error:
                self._miss(where, error.message)
        self._put_stages(model, found, new)
        self.written = self.written._replace(versions=self.written.versions + len(new))
        return there, gone

    @staticmethod
    def _check_same(thing: Thing, item: ModelVersionItem) -> None:
        row = fields_of(thing)
        # What nobody can change of a version, which has no id but its number.
        if (row["creation_timestamp"], row["source"]) != (item.creation_time, item.source):
            raise InvalidInputError("another version has this number in the lake")

    def _put_version(
        self,
        model: Mapping[str, Any],
        item: ModelVersionItem,
        place: str,
        tags: Mapping[str, str],
    ) -> None:
        scope = {
            "model_id": model["model_id"],
            "version_id": version_id(model["model_id"], item.version),
        }
        row = {
            **scope,
            "version": names.version(item.version),
            "creation_timestamp": _time(item.creation_time),
            "last_updated_timestamp": _time(item.last_updated_time),
            "current_stage": get_canonical_stage(item.stage),
            "run_id": _text(item.run_id),
            "source": names.source(item.source),
            "storage_location": validation.text(place),
            "description": names.described(item.description),
            "user_id": _text(item.user_id),
            "run_link": _text(item.run_link),
            "status": validation.text(item.status),
            "status_message": _text(item.status_message),
        }
        self._changes.put(MODEL_VERSIONS, row)
        self._put_tags(MODEL_VERSION_TAGS, scope, tags)
        times = ("user_id", "creation_timestamp", "last_updated_timestamp")
        after = {**told(row), **{name: row[name] for name in times}, "tags": tags}
        self._changes.note(
            dict(model), "import_model_version", version=item.version, after=after
        )

    def _put_stages(
        self, model: Mapping[str, Any], found: Thing | None, new: Sequence[ModelVersionItem]
    ) -> None:
        if not new:
            return
        before = {} if found is None else stages_of(found)
        for stage in {get_canonical_stage(each.stage) for each in new}:
            numbers = [each.version for each in new if get_canonical_stage(each.stage) == stage]
            largest, count = before.get(stage, (0, 0))
            self._changes.put(
                LATEST_VERSIONS,
                {
                    "model_id": model["model_id"],
                    "stage": stage,
                    "version": max(largest, *numbers),
                    "count": count + len(numbers),
                },
            )
        last = max(each.version for each in new)
        if last > model["last_version"]:
            # Its own time of the last change stays: nobody has changed it now.
            row = {"model_id": model["model_id"], "last_version": last}
            self._changes.put(REGISTERED_MODELS, row)

    # Aliases

    def _put_aliases(
        self,
        model: Mapping[str, Any],
        found: Thing | None,
        aliases: Mapping[str, int],
        there: set[int],
    ) -> None:
        """Set the aliases that point at some versions."""
        known = {} if found is None else found.parts[REGISTERED_MODEL_ALIASES.name]
        for alias, version in aliases.items():
            if version not in there:
                continue
            if alias not in known:
                self._put_alias(model, alias, version)
            elif known[alias][1] != (version,):
                why = f"the alias {alias!r} is at {version}, and elsewhere in the lake"
                self._miss(model["name"], why, is_loss=False)

    def _put_alias(self, model: Mapping[str, Any], alias: str, version: int) -> None:
        if model["requires_approval"]:
            why = f"the alias {alias!r} is not set: the model requires approval in the lake"
            self._miss(model["name"], why)
            return
        try:
            names.alias(alias)
        except LakeflowException as error:
            self._miss(model["name"], error.message)
            return
        row = {"model_id": model["model_id"], "alias": alias, "version": version}
        self._changes.put(REGISTERED_MODEL_ALIASES, row)
        self._changes.note(
            dict(model),
            "set_registered_model_alias",
            version=version,
            key=alias,
            after={"version": version},
        )


def _time(value: int) -> int:
    return validation.milliseconds(value, "time")


def _text(value: str | None) -> str | None:
    return None if value is None else validation.text(value)
