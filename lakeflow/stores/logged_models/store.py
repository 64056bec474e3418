"""What the verbs about logged models mean: each write is one append."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import (
    LifecycleStage,
    LoggedModel,
    LoggedModelStatus,
    Metric,
    PagedList,
    ViewType,
    validation,
)
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import LOGGED_MODEL
from lakeflow.query.language.conditions import Comparison, Field
from lakeflow.schema import LOGGED_MODEL_METRICS, LOGGED_MODEL_PARAMS, LOGGED_MODEL_TAGS
from lakeflow.stores import searching
from lakeflow.stores.arguments import below
from lakeflow.stores.experiments import now_ms
from lakeflow.stores.logged_models import rows
from lakeflow.stores.logged_models.scopes import missing
from lakeflow.stores.run_names import run_name

if TYPE_CHECKING:
    import datetime
    from collections.abc import Mapping, Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.logged_models.scopes import ModelScopes
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.snapshots import SnapshotId
    from lakeflow.stores.things import Thing

DEFAULT_RESULTS = 100
"""Models of a page where nobody says how many, as in MLflow."""

_MAX_KEY_LENGTH = 255
_MAX_NAME_LENGTH = 500
# Those that MLflow refuses.
_NOT_IN_NAMES = "/:.%\"'"


class LoggedModelStore:
    """Logged models of one lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
        scopes: What is remembered of its models.
    """

    def __init__(
        self, lake: Lake, experiments: ExperimentStore, reader: Reader, scopes: ModelScopes
    ) -> None:
        self._lake = lake
        self._experiments = experiments
        self._reader = reader
        self._scopes = scopes

    # Making and reading

    def create(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        params: Mapping[str, Any] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Make a logged model; see ``LakeflowClient.create_logged_model``."""
        experiment_id = validation.experiment_id(experiment_id)
        chosen = run_name() if name is None else _checked_name(name)
        pairs, settings = _checked("tags", tags), _checked("params", params)
        location = self._experiments.require_active(experiment_id)
        # A lake that was moved or deleted is noticed here, and not at each write.
        self._lake.require_in_place()
        model_id = f"m-{new_id()}"
        now = now_ms()
        scope = experiment_id, model_id
        known: dict[str, Any] = {
            "name": chosen,
            "artifact_location": below(location, f"models/{model_id}/artifacts"),
            "creation_timestamp": now,
            "last_updated_timestamp": now,
            "model_type": None if model_type is None else validation.text(model_type),
            "source_run_id": validation.run_id(source_run_id) if source_run_id else None,
        }
        fields = {
            **known,
            "status": LoggedModelStatus.PENDING.value,
            "lifecycle_stage": LifecycleStage.ACTIVE,
        }
        self._append(
            rows.model(scope, fields), rows.params(scope, settings), rows.tags(scope, pairs)
        )
        self._scopes.keep(model_id, experiment_id)
        # What would be read back: a look at the log for it would cost more than the write.
        known["artifact_location"] = self._lake.fs.resolve(known["artifact_location"])
        return LoggedModel(
            experiment_id, model_id, **known, status=LoggedModelStatus.PENDING, tags=pairs,
            params=settings,
        )  # fmt: skip

    def get(self, model_id: str, *, allow_deleted: bool = False) -> LoggedModel:
        """Return a logged model as it is now.

        Args:
            model_id: The model.
            allow_deleted: Whether a deleted one is returned too.

        Raises:
            NotFoundError: There is no such model.
        """
        thing = self._scopes.thing(model_id)
        if not allow_deleted:
            _active_row(thing)
        (found,) = self._entities([thing], self._reader.seen)
        return found

    def points(self, model: Thing) -> list[Metric]:
        """Return the points of a model, in the order of their logging."""
        return self._points([model], self._reader.seen)[model.id]

    def location(self, model_id: str) -> str:
        """Return where the files of a model are, as it is stored.

        Raises:
            NotFoundError: There is no such model, or it is deleted.
        """
        location: str = _active_row(self._scopes.thing(model_id))["artifact_location"]
        return location

    def search(
        self,
        experiment_ids: object,
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Mapping[str, Any]] | None = None,
        page_token: str | None = None,
        *,
        as_of: int | datetime.datetime | None = None,
    ) -> PagedList[LoggedModel]:
        """Return one page of models; see ``LakeflowClient.search_logged_models``."""
        # Loads sqlglot, which a job that only logs does not need.
        from lakeflow.stores.logged_models.searched import with_datasets

        page = searching.page_of(
            self._lake,
            self._reader,
            LOGGED_MODEL,
            filter_string,
            max_results or DEFAULT_RESULTS,
            None,
            page_token,
            view_type=ViewType.ACTIVE_ONLY,
            experiment_ids=experiment_ids,
            narrow=lambda search: with_datasets(search, datasets, order_by),
            as_of=as_of,
        )
        things = self._reader.things(LOGGED_MODEL, page.ids, page.snapshot_id)
        return PagedList(self._entities(things, page.snapshot_id), page.token)

    def named(self, experiment_id: str, name: str) -> list[str]:
        """Return the ids of two models of an experiment that have a name, the newest first."""
        has_name = Comparison(
            Field(LOGGED_MODEL.row.name, "name", is_number=False), "=", (name,)
        )
        return searching.page_of(
            self._lake, self._reader, LOGGED_MODEL, None, 2, None, None,
            view_type=ViewType.ACTIVE_ONLY, experiment_ids=[experiment_id], also=has_name,
        ).ids  # fmt: skip

    def deleted(self, older_than_ms: int = 0) -> list[str]:
        """Return the ids of deleted models that did not change for some milliseconds."""
        row = LOGGED_MODEL.row.name
        updated = Field(row, "last_updated_timestamp", is_number=True)
        until = Comparison(updated, "<=", (now_ms() - older_than_ms,))
        pages = searching.pages_of(
            self._lake, self._reader, LOGGED_MODEL, view_type=ViewType.DELETED_ONLY, also=until
        )
        return [each for page in pages for each in page.ids]

    def _entities(
        self, things: Sequence[Thing], snapshot_id: SnapshotId | None
    ) -> list[LoggedModel]:
        points = self._points(things, snapshot_id)
        resolve = self._lake.fs.resolve
        return [rows.entity(thing, points[thing.id], resolve) for thing in things]

    def _points(
        self, things: Sequence[Thing], snapshot_id: SnapshotId | None
    ) -> dict[str, list[Metric]]:
        single = {thing.id: rows.single_points(thing) for thing in things}
        known = {identity: points or [] for identity, points in single.items()}
        # Most models have no metric twice: their documents tell all, and no engine is loaded.
        many = [thing for thing in things if single[thing.id] is None]
        if many:
            table = LOGGED_MODEL_METRICS
            points = self._reader.records(LOGGED_MODEL, table, many, snapshot_id)
            for row in points.to_pylist():
                known[row["model_id"]].append(rows.metric_of(row))
        return known

    # Changing

    def finalize(self, model_id: str, status: LoggedModelStatus | str) -> LoggedModel:
        """Set the status of a model; see ``LakeflowClient.finalize_logged_model``."""
        if status not in LoggedModelStatus.__members__:
            raise InvalidInputError(
                f"Unknown model status: {status!r}", hint="'READY' or 'FAILED'"
            )
        self._set(model_id, status=LoggedModelStatus(status).value)
        return self.get(model_id, allow_deleted=True)

    def delete(self, model_id: str) -> None:
        """Delete a model: it is found no more, and its files stay.

        Raises:
            NotFoundError: There is no such model.
        """
        self._set(model_id, lifecycle_stage=LifecycleStage.DELETED)

    def remove(self, model_id: str) -> None:
        """Remove a model for good, with all that is known of it; its files stay.

        Raises:
            NotFoundError: There is no such model.
        """
        self._scopes.thing(model_id)
        self._append([records.removed([(LOGGED_MODEL.name, model_id)])])

    def _set(self, model_id: str, **fields: object) -> None:
        scope = self._scopes.thing(model_id).scope
        self._append(rows.model(scope, {**fields, "last_updated_timestamp": now_ms()}))

    def log_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log params; see ``LakeflowClient.log_model_params``."""
        given = _checked("params", params)
        thing = self._scopes.thing(model_id)
        known = thing.values(LOGGED_MODEL_PARAMS.name)
        for key, value in given.items():
            if known.get(key, value) != value:
                raise InvalidInputError(
                    f"Changing param values is not allowed. Of the logged model {model_id} "
                    f"param {key!r} was already logged with value {known[key]!r}, new value "
                    f"{value!r}"
                )
        new = {key: value for key, value in given.items() if key not in known}
        if new:
            self._append(rows.params(thing.scope, new))

    def set_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags; see ``LakeflowClient.set_logged_model_tags``."""
        pairs = _checked("tags", tags)
        scope = self._scopes.thing(model_id).scope
        if pairs:
            self._append(rows.tags(scope, pairs))

    def delete_tag(self, model_id: str, key: str) -> None:
        """Remove a tag.

        Raises:
            NotFoundError: The model has no such tag, or there is no such model.
        """
        thing = self._scopes.thing(model_id)
        if key not in thing.values(LOGGED_MODEL_TAGS.name):
            raise NotFoundError(
                f"No tag with key {key!r} found for model with ID {model_id!r}."
            )
        self._append(rows.tags(thing.scope, {key: None}))

    def _append(self, *fields: records.Pieces) -> None:
        self._lake.append(records.bodies("", *(each for each in fields if each)))


def _active_row(thing: Thing) -> dict[str, Any]:
    row = thing.row(LOGGED_MODEL)
    assert row is not None
    if row["lifecycle_stage"] != LifecycleStage.ACTIVE:
        raise missing(thing.id)
    return row


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name or any(each in name for each in _NOT_IN_NAMES):
        raise InvalidInputError(
            f"Invalid model name ({name!r}) provided. It must be a text that is not empty and "
            f"has none of these characters: {' '.join(_NOT_IN_NAMES)}"
        )
    if len(name) > _MAX_NAME_LENGTH:
        raise InvalidInputError(
            f"'name' exceeds the maximum length of {_MAX_NAME_LENGTH} characters: it has "
            f"{len(name)}"
        )
    return validation.text(name, "name")


def _checked(noun: str, pairs: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return tags or params whose keys are texts, and values became one.

    Raises:
        InvalidInputError: A key is none, or too long; or a value is.
    """
    found = {}
    for key, value in (pairs or {}).items():
        if not isinstance(key, str) or not 0 < len(key) <= _MAX_KEY_LENGTH:
            raise InvalidInputError(
                f"a key of {noun} is {key!r}, which is no text of 1 to {_MAX_KEY_LENGTH} "
                "characters"
            )
        found[validation.text(key, noun)] = validation.text(value, f"{noun}[{key!r}]")
    return found
