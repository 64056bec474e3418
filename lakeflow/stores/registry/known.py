"""Models and versions by their names, in what is known of the control log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities.model_registry import names
from lakeflow.entities.model_registry.model_version_stages import get_canonical_stage
from lakeflow.exceptions import InvalidInputError, LakeflowException, NotFoundError
from lakeflow.kinds import MODEL_VERSION, REGISTERED_MODEL, version_id
from lakeflow.stores.registry.model_uris import ModelUri
from lakeflow.stores.registry.state import aliases_of, fields_of, stages_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from lakeflow.stores.control import Known
    from lakeflow.stores.things import Thing

_VERSIONS_AT_ONCE = 256


def require_model(known: Known, name: object) -> Thing:
    """Return a model.

    Raises:
        InvalidInputError: This is no name.
        NotFoundError: There is none of this name.
    """
    wanted = names.model_name(name)
    found = known.find(REGISTERED_MODEL, "name", wanted)
    if found is None:
        raise NotFoundError(f"Registered Model with name={wanted} not found")
    return found


def require_version(known: Known, name: object, version: object) -> tuple[Thing, Thing]:
    """Return a model and a version of it.

    Raises:
        InvalidInputError: These are no name and no version.
        NotFoundError: There is none.
    """
    wanted, number = names.model_name(name), names.version(version)
    # As in MLflow, one error says that the model or the version is not there.
    model = known.find(REGISTERED_MODEL, "name", wanted)
    if model is not None:
        found = known.thing(MODEL_VERSION, version_id(model.id, number))
        if found is not None:
            return model, found
    raise NotFoundError(f"Model Version (name={wanted}, version={version}) not found")


def with_its_model(known: Known, identity: str) -> tuple[Thing, Thing] | None:
    """Return a model and a version of it, by the id of the version; None if one is gone."""
    found = known.thing(MODEL_VERSION, identity)
    model = None if found is None else known.thing(REGISTERED_MODEL, found.scope[0])
    return None if found is None or model is None else (model, found)


def require_alias(known: Known, name: object, alias: str) -> tuple[Thing, Thing]:
    """Return a model and the version that an alias of it points at.

    Raises:
        InvalidInputError: These are no name and no alias; or there is no such alias, also
            where there is no such model, as in MLflow.
    """
    wanted, of_model = names.model_name(name), names.alias(alias)
    model = known.find(REGISTERED_MODEL, "name", wanted)
    number = None if model is None else aliases_of(model).get(of_model)
    if number is None:
        raise InvalidInputError(f"Registered model alias {alias} not found.")
    return require_version(known, name, number)


def require_pointed(known: Known, name: object, pointer: object) -> tuple[Thing, Thing]:
    """Return a model and a version, by its number or by an alias with an ``@`` before it."""
    if isinstance(pointer, str) and pointer.startswith("@"):
        return require_alias(known, name, pointer[1:])
    return require_version(known, name, pointer)


def require_in_stage(known: Known, name: object, stage: str) -> tuple[Thing, Thing]:
    """Return a model and its largest version in a stage.

    Raises:
        LakeflowException: INTERNAL_ERROR as in MLflow, there is none.
    """
    model = require_model(known, name)
    largest, _ = stages_of(model).get(get_canonical_stage(stage), (0, 0))
    if not largest:
        raise LakeflowException(f"Could not find any model version for {stage} stage")
    return require_version(known, name, largest)


def require_latest(known: Known, name: object, stage: str | None) -> tuple[Thing, Thing]:
    """Return a model and its largest version in a stage; in any for None.

    Raises:
        LakeflowException: INTERNAL_ERROR as in MLflow, there is none.
    """
    model = require_model(known, name)
    wanted = None if stage is None else get_canonical_stage(stage)
    stages = stages_of(model).items()
    found = [version for each, (version, _) in stages if wanted in {None, each}]
    if not found:
        in_stage = "" if stage is None else f" and stage {stage!r}"
        raise LakeflowException(f"No versions of model with name {name!r}{in_stage} found")
    return require_version(known, name, max(found))


def require_named(known: Known, uri: str) -> tuple[Thing, Thing]:
    """Return the model and the version that a URI ``models:/...`` names; see ``ModelUri``.

    Raises:
        LakeflowException: INTERNAL_ERROR as in MLflow, it is no such URI; or as for the
            version, the alias or the stage.
    """
    wanted = ModelUri.parse(uri)
    if wanted.version is not None:
        return require_version(known, wanted.name, wanted.version)
    if wanted.alias is not None:
        return require_alias(known, wanted.name, wanted.alias)
    return require_latest(known, wanted.name, wanted.stage)


def named_by(known: Callable[[], Known], source: str) -> Thing | None:
    """Return the version that a source ``models:/...`` names; None for any other source.

    Raises:
        LakeflowException: INTERNAL_ERROR as in MLflow, it names a version that there is not.
    """
    if not source.startswith("models:"):
        return None
    try:
        _, found = require_named(known(), source)
    except LakeflowException as error:
        raise LakeflowException(
            f"Unable to fetch model from model URI source artifact location {source!r}: "
            f"{error.message}"
        ) from error
    return found


def versions_in(known: Known, model: Thing, stage: str) -> Iterator[Thing]:
    """Yield the versions of a model that are in a stage, the largest first."""
    # Nobody keeps a list of them: they are looked for downwards from the largest one, until as
    # many are found as there are.
    largest, left = stages_of(model).get(stage, (0, 0))
    while largest > 0 and left > 0:
        least = max(1, largest - _VERSIONS_AT_ONCE + 1)
        ids = [version_id(model.id, version) for version in range(largest, least - 1, -1)]
        found = known.things(MODEL_VERSION, ids)
        for version in (found[each] for each in ids if each in found):
            if fields_of(version)["current_stage"] == stage and left > 0:
                left -= 1
                yield version
        largest = least - 1


Moves = dict[int, tuple[str | None, str | None]]
"""For each version the stage that it leaves, and the one that it enters; None for neither."""


def stages_after(known: Known, model: Thing, moves: Moves) -> Mapping[str, tuple[int, int]]:
    """Return what ``stages_of`` will be for the stages that some moves concern.

    A stage that no version is left in has the version and the count 0.
    """
    before = stages_of(model)
    concerned = {stage for move in moves.values() for stage in move if stage is not None}
    return {stage: _after(known, model, stage, moves, before) for stage in concerned}


def _after(
    known: Known,
    model: Thing,
    stage: str,
    moves: Moves,
    before: Mapping[str, tuple[int, int]],
) -> tuple[int, int]:
    entering = [version for version, (_, to) in moves.items() if to == stage]
    leaving = {version for version, (since, _) in moves.items() if since == stage}
    largest, count = before.get(stage, (0, 0))
    staying = count - len(leaving)
    if staying == 0:
        largest = 0
    elif largest in leaving:
        # Only here is more read than what is moved.
        numbers = (fields_of(each)["version"] for each in versions_in(known, model, stage))
        largest = next(number for number in numbers if number not in leaving)
    return max([largest, *entering]), staying + len(entering)
