"""Questions that reviewers are asked: names are unique, so they are in the control log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import LabelSchema, PagedList, validation
from lakeflow.entities.json_text import decoded_if_json
from lakeflow.exceptions import AlreadyExistsError, InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import LABEL_SCHEMA, name_within
from lakeflow.schema import LABEL_SCHEMAS
from lakeflow.stores import searching

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lakeflow.lake import Lake
    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

Row = dict[str, Any]


class LabelSchemaStore:
    """Questions for reviewers of the experiments of a lake; threads share it.

    Args:
        lake: The lake.
        control: What looks them up and changes them.
        reader: What searches them.
        experiments: The experiments.
    """

    def __init__(
        self, lake: Lake, control: ControlStore, reader: Reader, experiments: ExperimentStore
    ) -> None:
        self._lake = lake
        self._control = control
        self._reader = reader
        self._experiments = experiments

    def create(
        self,
        experiment_id: object,
        name: str,
        kind: str,
        answers: tuple[str, Mapping[str, Any]],
        instruction: str | None = None,
        enable_comment: bool = False,
        is_default: bool = False,
    ) -> LabelSchema:
        """Make a question.

        Args:
            experiment_id: The experiment.
            name: Unique there.
            kind: ``"feedback"`` or ``"expectation"``.
            answers: Type and configuration of what may be answered.
            instruction: What reviewers are told.
            enable_comment: Whether they may add a comment.
            is_default: Whether it is the one that cannot be deleted.

        Raises:
            NotFoundError: There is no such experiment.
            AlreadyExistsError: There is a question of this name.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        schema_id = f"ls-{new_id()}"

        def decide(known: Draft) -> tuple[list[str], None]:
            _require_free(known, owner, name)
            row = {
                "experiment_id": owner,
                "schema_id": schema_id,
                "name": validation.text(name, "name"),
                "full_name": name_within(owner, name),
                "type": kind,
                **_answers(answers),
                "instruction": instruction,
                "enable_comment": int(enable_comment),
                "is_default": int(is_default),
                "created_time": known.now_ms,
                "last_update_time": known.now_ms,
            }
            return records.table(LABEL_SCHEMAS.name, [row]), None

        self._control.change(decide)
        return self.get(schema_id)

    def get(self, schema_id: str) -> LabelSchema:
        """Return a question.

        Raises:
            NotFoundError: There is none with this id.
        """
        return _entity(_require(self._control.known(), schema_id))

    def find(self, experiment_id: object, name: str) -> LabelSchema | None:
        """Return the question of this name; None if there is none.

        Raises:
            NotFoundError: There is no such experiment.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        found = self._control.known().find(LABEL_SCHEMA, "full_name", name_within(owner, name))
        return None if found is None else _entity(found)

    def search(
        self, experiment_id: object, max_results: object, page_token: str | None = None
    ) -> PagedList[LabelSchema]:
        """Return one page of the questions of an experiment, the newest first.

        Raises:
            NotFoundError: There is no such experiment.
        """
        owner = self._experiments.get(validation.experiment_id(experiment_id)).experiment_id
        page = searching.page_of(
            self._lake,
            self._reader,
            LABEL_SCHEMA,
            None,
            max_results,
            None,
            page_token,
            experiment_ids=[owner],
        )
        things = self._reader.things(LABEL_SCHEMA, page.ids, page.snapshot_id)
        return PagedList(list(map(_entity, things)), page.token)

    def update(
        self, schema_id: str, check: Callable[[LabelSchema], Mapping[str, Any]]
    ) -> LabelSchema:
        """Change a question.

        Args:
            schema_id: Its id.
            check: Returns what changes in it: ``name``, ``instruction``, ``enable_comment`` and
                ``answers`` as of ``create``; or raises to refuse.

        Raises:
            NotFoundError: There is none with this id.
            AlreadyExistsError: Another one has the new name.
        """

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = _require(known, schema_id)
            before = _entity(thing)
            row: Row = {"experiment_id": before.experiment_id, "schema_id": schema_id}
            for field, value in check(before).items():
                if field == "answers":
                    row |= _answers(value)
                elif field == "name" and value != before.name:
                    _require_free(known, before.experiment_id, value)
                    row |= {"name": value, "full_name": name_within(thing.scope[0], value)}
                elif field != "name":
                    row[field] = int(value) if field == "enable_comment" else value
            # It always grows, however the clocks of two machines differ.
            row["last_update_time"] = max(known.now_ms, before.last_update_time + 1)
            return records.table(LABEL_SCHEMAS.name, [row]), None

        self._control.change(decide)
        return self.get(schema_id)

    def delete(self, schema_id: str) -> None:
        """Delete a question; one that is not there is no error.

        Raises:
            InvalidInputError: It is the one that every experiment has.
        """

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = known.thing(LABEL_SCHEMA, schema_id)
            if thing is None:
                return [], None
            if _entity(thing).is_default:
                raise InvalidInputError("The experiment's default question cannot be deleted.")
            return [records.removed([(LABEL_SCHEMA.name, schema_id)])], None

        self._control.change(decide)


def _answers(answers: tuple[str, Mapping[str, Any]]) -> Row:
    kind, config = answers
    return {"input_type": kind, "input_config": json.dumps(config, ensure_ascii=False)}


def _require(known: Known, schema_id: str) -> Thing:
    thing = known.thing(LABEL_SCHEMA, validation.text(schema_id, "schema_id"))
    if thing is None:
        raise NotFoundError(f"Label schema with id '{schema_id}' not found.")
    return thing


def _require_free(known: Known, experiment_id: str, name: str) -> None:
    if known.find(LABEL_SCHEMA, "full_name", name_within(experiment_id, name)) is not None:
        raise AlreadyExistsError(
            f"Label schema with name '{name}' already exists for experiment '{experiment_id}'."
        )


def _entity(thing: Thing) -> LabelSchema:
    row = thing.row(LABEL_SCHEMA)
    assert row is not None
    row.pop("full_name")
    config = decoded_if_json(row.pop("input_config"))
    is_default, comment = bool(row.pop("is_default")), bool(row.pop("enable_comment"))
    return LabelSchema(
        input_config=config if isinstance(config, dict) else {},
        is_default=is_default,
        enable_comment=comment,
        **row,
    )
