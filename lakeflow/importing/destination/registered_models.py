"""Registered models and versions of a source, written to the control log: many in one event.

Numbers, times, stages, tags and aliases stay. What the lake has already stays as it is: a
version whose number another one has taken there is reported.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.destination.model_event import ModelEvent, Part, Written
from lakeflow.importing.items import Problem
from lakeflow.stores.registry import locations

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Sequence

    from lakeflow.importing.model_items import ModelVersionItem, RegisteredModelItem
    from lakeflow.stores.registry.changes import Changes
    from lakeflow.stores.store import Store

_CHARACTERS_OF_AN_EVENT = 512 * 1024
"""Half of what a change may have: sizes are only estimated."""

_CHARACTERS_BESIDE_TEXTS = 1200
"""What a version takes whatever is said of it: its row, and that of the history."""


def write_models(
    store: Store,
    models: Iterable[tuple[RegisteredModelItem, Iterable[ModelVersionItem]]],
    report: Callable[[Problem], None],
    located: Callable[[Sequence[ModelVersionItem]], list[str]],
    *,
    are_all: bool = True,
) -> Iterator[Written]:
    """Write models with their versions, and yield after each event what was new.

    Args:
        store: The lake.
        models: The models, each with its versions in the order of their numbers.
        report: What is told of what the lake does not get.
        located: Returns where the files of some versions are now.
        are_all: Whether these are all versions of the models: an alias of none is a loss then.
    """
    waiting = _WaitingAliases(report if are_all else lambda _: None)
    for parts in batches(models):
        written = _write(store, parts, report, located)
        for model, _ in parts:
            waiting.note(model, written.aliases)
        yield written
    waiting.settle()


class _WaitingAliases:
    """Aliases of the model that is written now whose versions have not come yet.

    Args:
        report: Told of those whose versions never came.
    """

    def __init__(self, report: Callable[[Problem], None]) -> None:
        self._report = report
        self._name = ""
        self._left: dict[str, int] = {}

    def note(self, model: RegisteredModelItem, decided: Container[tuple[str, str]]) -> None:
        """Take note of an event with versions of a model; those of one model follow another.

        Args:
            model: The model.
            decided: Names of models with the aliases that the event decided on.
        """
        if model.name != self._name:
            self.settle()
            self._name, self._left = model.name, dict(model.aliases)
        self._left = {
            alias: version
            for alias, version in self._left.items()
            if (model.name, alias) not in decided
        }

    def settle(self) -> None:
        """Report what is left of the last model."""
        for alias, version in self._left.items():
            why = f"the alias {alias!r} is left out, since version {version} is"
            self._report(Problem(f"registered model {self._name}", why))


def batches(
    models: Iterable[tuple[RegisteredModelItem, Iterable[ModelVersionItem]]],
) -> Iterator[list[Part]]:
    """Yield models and versions as parts that fit an event together; no model twice in one."""
    parts: list[Part] = []
    room = _CHARACTERS_OF_AN_EVENT
    for model, versions in models:
        size = _size(model.description, model.tags, model.aliases)
        if parts and size > room:
            yield parts
            parts, room = [], _CHARACTERS_OF_AN_EVENT
        parts.append(Part(model, []))
        room -= size
        for version in versions:
            size = _size(version.description, version.tags, version.source)
            if parts[-1].versions and size > room:
                yield parts
                parts, room = [Part(model, [])], _CHARACTERS_OF_AN_EVENT
            parts[-1].versions.append(version)
            room -= size
    if parts:
        yield parts


def _size(*texts: object) -> int:
    # Once in the row, and once in the history, where it is JSON within JSON.
    text = json.dumps(texts)
    return _CHARACTERS_BESIDE_TEXTS + len(text) + len(json.dumps(text))


def _write(
    store: Store,
    parts: Sequence[Part],
    report: Callable[[Problem], None],
    located: Callable[[Sequence[ModelVersionItem]], list[str]],
) -> Written:
    root = store.lake.fs.uri
    # Before the decision, which may be made again, in another thread, and reads nothing.
    places = [[locations.stored(root, at) for at in located(part.versions)] for part in parts]

    def decide(changes: Changes) -> tuple[Written, list[Problem]]:
        # A new one each time: it is decided again where another process was first.
        event = ModelEvent(changes)
        for part, of_part in zip(parts, places, strict=True):
            event.put(part, of_part)
        return event.written, event.problems

    written, problems = Written(), list[Problem]()
    try:
        written, problems = store.models.change(decide)
    except InvalidInputError as error:
        named = ", ".join(repr(part.model.name) for part in parts)
        report(Problem(f"registered models {named}", error.message))
    for problem in problems:
        report(problem)
    return written
