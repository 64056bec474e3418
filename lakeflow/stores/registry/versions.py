"""Versions of registered models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from lakeflow.entities import PagedList, validation
from lakeflow.entities.model_registry import names
from lakeflow.entities.model_registry.model_version_stages import (
    DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS,
    get_canonical_stage,
    warn_of_stages,
)
from lakeflow.exceptions import LakeflowException, NotFoundError
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL
from lakeflow.stores import searching
from lakeflow.stores.registry import locations, model_uris
from lakeflow.stores.registry.known import (
    named_by,
    require_alias,
    require_in_stage,
    require_named,
    require_pointed,
    require_version,
    with_its_model,
)
from lakeflow.stores.registry.models import found_or_made, put_alias
from lakeflow.stores.registry.recorded_files import (
    RecordedVersion,
    in_changes,
    recorded_files,
)
from lakeflow.stores.registry.state import (
    aliases_of,
    fields_of,
    files_of,
    model_version,
    scope_of,
    tags_of,
)
from lakeflow.stores.registry.version_changes import (
    copied,
    create_version,
    move_version,
    put_files,
    put_signature,
    restage,
    set_version,
    told,
)

if TYPE_CHECKING:
    import datetime
    from collections.abc import Callable, Mapping, Sequence

    from lakeflow.entities.model_registry import ModelVersion
    from lakeflow.lake import Lake
    from lakeflow.query.language.conditions import Condition
    from lakeflow.stores.control import ControlStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.registry.changes import Changes
    from lakeflow.stores.registry.models import RegisteredModelStore
    from lakeflow.stores.registry.recorded_files import File
    from lakeflow.stores.store import Store
    from lakeflow.stores.things import Thing


class ModelVersionStore:
    """Versions of the registered models of a lake.

    Args:
        lake: The lake.
        control: What looks them up.
        reader: What searches them.
        models: The models, and what changes both.
    """

    def __init__(
        self,
        lake: Lake,
        control: ControlStore,
        reader: Reader,
        models: RegisteredModelStore,
    ) -> None:
        self._lake = lake
        self._control = control
        self._reader = reader
        self._models = models

    # Read

    def get(
        self, name: str, version: object, as_of: int | datetime.datetime | None = None
    ) -> ModelVersion:
        """Return a version; see ``LakeflowClient.get_model_version``."""
        if as_of is not None:
            return self._models.history.version(name, version, as_of)
        model, found = require_version(self._control.known(), name, version)
        return model_version(found, model)

    def get_by_alias(
        self, name: str, alias: str, as_of: int | datetime.datetime | None = None
    ) -> ModelVersion:
        """Return a version; see ``LakeflowClient.get_model_version_by_alias``."""
        if as_of is not None:
            return self._models.history.version_by_alias(name, alias, as_of)
        model, found = require_alias(self._control.known(), name, alias)
        return model_version(found, model)

    def download_uri(self, name: str, version: object) -> str:
        """Return where the files of a version are."""
        _, found = require_version(self._control.known(), name, version)
        return self._location(found)

    def located(self, uri: str) -> tuple[str, str | None]:
        """Return where the files of a version are, and the run that it names.

        Args:
            uri: What names it: ``models:/...``; see ``ModelUri``.
        """
        _, found = require_named(self._control.known(), uri)
        return self._location(found), fields_of(found)["run_id"]

    def _location(self, version: Thing) -> str:
        return locations.resolved(self._lake.fs.uri, fields_of(version)["storage_location"])

    def pointed(self, name: str, pointer: object) -> ModelVersion:
        """Return a version, by its number or by an alias with an ``@`` before it."""
        model, found = require_pointed(self._control.known(), name, pointer)
        return model_version(found, model)

    def recorded(self, name: str, pointer: object) -> RecordedVersion:
        """Return what is recorded of the files of a version; see ``pointed``."""
        model, found = require_pointed(self._control.known(), name, pointer)
        fields = fields_of(found)
        return RecordedVersion(
            fields_of(model)["name"],
            fields["version"],
            self._location(found),
            fields["run_id"],
            fields["file_count"],
            files_of(found) or (),
            fields["signature"],
        )

    def search(
        self,
        filter_string: str | None,
        max_results: object,
        order_by: Sequence[str] | None,
        page_token: str | None,
        as_of: int | datetime.datetime | None = None,
        also: Condition | None = None,
    ) -> PagedList[ModelVersion]:
        """Return one page of versions; see ``LakeflowClient.search_model_versions``.

        ``also`` is what must hold besides the filter.
        """
        past = self._models.history.searched(MODEL_VERSION, filter_string, as_of)
        page = searching.page_of(
            self._lake,
            past or self._reader,
            MODEL_VERSION,
            filter_string,
            max_results,
            order_by,
            page_token,
            also=also,
            as_of=as_of,
        )
        if past is not None:
            return PagedList(past.versions(page), page.token)
        versions = self._reader.things(MODEL_VERSION, page.ids, page.snapshot_id)
        # A version has no name of its own, so that a rename of its model is one row.
        ids = {version.scope[0]: None for version in versions}
        models = self._reader.things(REGISTERED_MODEL, list(ids), page.snapshot_id)
        by_id = {model.id: model for model in models}
        found = [
            model_version(version, by_id[version.scope[0]])
            for version in versions
            if version.scope[0] in by_id
        ]
        return PagedList(found, page.token)

    # Change

    def create(
        self,
        name: str,
        source: str,
        run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        run_link: str | None = None,
        description: str | None = None,
        tracking: Callable[[], Store] | None = None,
        *,
        makes_model: bool = False,
        location: str | None = None,
    ) -> ModelVersion:
        """Make a version; see ``LakeflowClient.create_model_version``.

        Args:
            name: Name of the model.
            source: Where the files are.
            run_id: Run that made them.
            tags: Tags.
            run_link: Address of the run.
            description: Text of the user's.
            tracking: Returns the lake of the runs and logged models that may have the files.
            makes_model: Whether to make the model too where there is none.
            location: Where the files are that ``source`` only names.
        """
        names.model_name(name)
        # Before the source is looked up, as in MLflow.
        pairs = names.tags(tags)
        source = names.source(source)
        files, logged = None, model_uris.logged_model(source)
        if logged is not None and location is None and tracking is not None:
            model, location = tracking().model_files.located(*logged)
            run_id = run_id or model.source_run_id
        named = None if location else named_by(self._control.known, source)
        at = locations.stored(self._lake.fs.uri, location or source)
        if named is not None:
            at, files = fields_of(named)["storage_location"], files_of(named)
        elif tracking is not None:
            files = recorded_files(tracking, location or source)
        row = {
            "source": source,
            "storage_location": at,
            "run_id": None if run_id is None else validation.text(run_id, "run_id"),
            "run_link": None if run_link is None else validation.text(run_link, "run_link"),
            "description": names.described(description),
            # Of a version whose registration was broken off fewer are recorded.
            "file_count": fields_of(named)["file_count"] if named else files and len(files),
        }
        first, *others = in_changes(files or ())

        def decide(changes: Changes) -> str:
            model, stages = found_or_made(changes, name, makes_model=makes_model)
            return create_version(changes, model, stages, row, pairs, first)

        return self._made(name, decide, others)

    def copy(self, src_model_uri: str, dst_name: str) -> ModelVersion:
        """Copy a version to a model; see ``LakeflowClient.copy_model_version``."""
        if not str(src_model_uri).startswith("models:"):
            raise LakeflowException(
                f"Unsupported source model URI: {src_model_uri!r}; only models:/ URIs are "
                "copied",
                hint="create_model_version takes any other source",
            )
        try:
            _, found = require_named(self._control.known(), src_model_uri)
        except LakeflowException as error:
            raise LakeflowException(
                "Failed to fetch model version from source model URI: "
                f"{src_model_uri!r}: {error.message}"
            ) from error
        names.model_name(dst_name)
        first, *others = in_changes(files_of(found) or ())

        def decide(changes: Changes) -> str:
            # As it is by now, and by id: another one may have its name and number already.
            there = with_its_model(changes.known, found.id)
            if there is None:
                raise NotFoundError(f"{src_model_uri!r} was deleted while it was copied")
            owner, original = there
            model, stages = found_or_made(changes, dst_name, makes_model=True)
            row, tags = copied(fields_of(owner), fields_of(original)), tags_of(original)
            return create_version(changes, model, stages, row, tags, first)

        return self._made(dst_name, decide, others)

    def _made(
        self, name: str, decide: Callable[[Changes], str], others: Sequence[Sequence[File]]
    ) -> ModelVersion:
        """Make a version, and record those of its files that one change has no room for.

        Who dies in between leaves a version that says how many files it should have.
        """
        identity = self._models.change(decide)
        for files in others:

            def record(changes: Changes, files: Sequence[File] = files) -> None:
                version = changes.known.thing(MODEL_VERSION, identity)
                # Somebody may have deleted it by now.
                if version is not None:
                    put_files(changes, scope_of(version), files)

            self._models.change(record)
        return self._changed(identity)

    def update(self, name: str, version: object, description: str | None) -> ModelVersion:
        """Set the description of a version; see ``LakeflowClient.update_model_version``."""
        # With MLflow's code, which is INTERNAL_ERROR.
        if description is None:
            raise LakeflowException(
                "Attempting to update model version with no new field values."
            )
        text = names.described(description)

        def decide(changes: Changes) -> str:
            model, found = require_version(changes.known, name, version)
            set_version(changes, model, found, "update_model_version", {"description": text})
            return found.id

        return self._changed(self._models.change(decide))

    def transition(
        self, name: str, version: object, stage: object, archive_existing_versions: bool
    ) -> ModelVersion:
        """Move to a stage; see ``LakeflowClient.transition_model_version_stage``."""
        warn_of_stages("transition_model_version_stage")
        return self.move(name, version, stage, archive_existing_versions)

    def move(
        self, name: str, version: object, stage: object, archive_existing_versions: bool
    ) -> ModelVersion:
        """Do the same for who was not to be warned."""
        if isinstance(stage, str) and not stage.strip():
            raise LakeflowException(f"The stage must not be an empty string, as {stage!r} is")
        to = get_canonical_stage(stage)
        active = DEFAULT_STAGES_FOR_GET_LATEST_VERSIONS
        if archive_existing_versions and to not in active:
            raise LakeflowException(
                "Model version transition cannot archive existing model versions because "
                f"{stage!r} is not an Active stage. Valid stages are {active}"
            )

        def decide(changes: Changes) -> str:
            model, found = require_version(changes.known, name, version)
            move_version(changes, model, found, to, archives_others=archive_existing_versions)
            return found.id

        return self._changed(self._models.change(decide))

    def sign(self, name: str, version: object, signature: str) -> None:
        """Keep the signature of a version; see ``lakeflow.registry.sign_model_version``."""

        def decide(changes: Changes) -> None:
            model, found = require_version(changes.known, name, version)
            put_signature(changes, model, found, signature)

        self._models.change(decide)

    def delete(self, name: str, version: object) -> None:
        """Remove a version; see ``LakeflowClient.delete_model_version``."""

        def decide(changes: Changes) -> None:
            model, found = require_version(changes.known, name, version)
            fields = fields_of(found)
            number, stage = fields["version"], fields["current_stage"]
            # As in MLflow aliases go with the version that they point at.
            for alias, at in aliases_of(model).items():
                if at == number:
                    put_alias(changes, model, "delete_registered_model_alias", alias, None)
            restage(changes, model, {number: (stage, None)})
            changes.remove(MODEL_VERSION, found.id)
            changes.set_model(model.id)
            before = {**told(fields), "tags": tags_of(found)}
            changes.note(model, "delete_model_version", version=number, before=before)

        self._models.change(decide)

    def set_tag(
        self, name: str, version: object, key: object, value: object, stage: str | None
    ) -> None:
        """Set a tag; see ``LakeflowClient.set_model_version_tag``."""
        names.stage_or_version(version, stage)
        if stage:
            warn_of_stages("the parameter stage of set_model_version_tag")
        text = validation.text(value)
        self._put_tag("set_model_version_tag", name, version, key, text, stage)

    def delete_tag(self, name: str, version: object, key: object, stage: str | None) -> None:
        """Remove a tag; see ``LakeflowClient.delete_model_version_tag``."""
        names.stage_or_version(version, stage)
        if stage:
            warn_of_stages("the parameter stage of delete_model_version_tag")
        self._put_tag("delete_model_version_tag", name, version, key, None, stage)

    def _put_tag(
        self,
        action: str,
        name: str,
        version: object,
        tag_name: object,
        value: str | None,
        stage: str | None,
    ) -> None:
        names.model_name(name)
        if not stage:
            names.version(version)
            validation.key(tag_name)

        def decide(changes: Changes) -> None:
            known = changes.known
            model, found = (
                require_in_stage(known, name, stage)
                if stage
                else require_version(known, name, version)
            )
            # In a stage MLflow looks for the version before it looks at the tag.
            changes.put_tag(model, action, validation.key(tag_name), value, found)

        self._models.change(decide)

    def _changed(self, identity: str) -> ModelVersion:
        # This process has just changed it: another look would say nothing new.
        there = with_its_model(self._control.known(math.inf), identity)
        if there is None:
            raise NotFoundError(f"the model version {identity} was deleted meanwhile")
        model, found = there
        return model_version(found, model)
