"""Scorers: their names and versions are unique, so they are changed in the control log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import OnlineScoringConfig, ScorerVersion, validation
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import SCORER, name_within
from lakeflow.schema import SCORER_VERSIONS, SCORERS
from lakeflow.stores import searching

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.control import ControlStore, Draft, Known
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_MOST_NAME_CHARACTERS = 256

_OFFLINE = {"online_config_id": "", "sample_rate": 0.0, "filter_string": ""}
"""What says that a scorer scores no new traces."""


class ScorerStore:
    """Scorers of the experiments of a lake; threads share it.

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

    def register(self, experiment_id: object, name: object, serialized: str) -> ScorerVersion:
        """Make the next version of a scorer, and the scorer where there is none of this name.

        Cost: one event.

        Args:
            experiment_id: The experiment.
            name: 1 to 256 characters, not all of them white.
            serialized: The scorer as JSON.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidInputError: It is deleted; this is no name.
        """
        owner = self._active(experiment_id)
        name, serialized = _name(name), validation.text(serialized, "serialized_scorer")

        def decide(known: Draft) -> tuple[list[str], ScorerVersion]:
            found = known.find(SCORER, "full_name", name_within(owner, name))
            identity = str(known.next_number(SCORER)) if found is None else found.id
            # As in MLflow, the number of a latest version that was deleted is given again.
            version = 1 + max(versions_of(found), default=0) if found is not None else 1
            made = ScorerVersion(owner, name, version, serialized, known.now_ms, identity)
            return records_of(made, is_first=found is None), made

        made: ScorerVersion = self._control.change(decide)
        return made

    def get(
        self, experiment_id: object, name: str, version: int | None = None
    ) -> ScorerVersion:
        """Return a version of a scorer, by default the latest.

        Raises:
            NotFoundError: There is none such, or no such experiment.
            InvalidInputError: The experiment is deleted.
        """
        owner = self._active(experiment_id)
        thing = _require(self._control.known(), owner, name, version)
        wanted = max(versions_of(thing)) if version is None else version
        return next(each for each in _entities(thing) if each.scorer_version == wanted)

    def versions(self, experiment_id: object, name: str) -> list[ScorerVersion]:
        """Return all versions of a scorer, the first one first; errors as of ``get``."""
        owner = self._active(experiment_id)
        return _entities(_require(self._control.known(), owner, name, None))

    def latest(self, experiment_id: object) -> list[ScorerVersion]:
        """Return the latest version of each scorer of an experiment, by name.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidInputError: It is deleted.
        """
        return self.latest_of([self._active(experiment_id)])

    def latest_of(self, experiment_ids: Sequence[object]) -> list[ScorerVersion]:
        """Return the latest version of each scorer of some experiments, by both names."""
        wanted = validation.experiment_ids(experiment_ids)
        return [each[-1] for each in map(_entities, self._search(wanted)) if each]

    def delete(self, experiment_id: object, name: str, version: int | None = None) -> None:
        """Delete a version of a scorer, or all of them; errors as of ``get``.

        A scorer without versions is none, and keeps its row: other lakes know it by its name,
        and learn from it what was deleted and when.
        """
        owner = self._active(experiment_id)

        def decide(known: Draft) -> tuple[list[str], None]:
            thing = _require(known, owner, name, version)
            scope = _scope(thing)
            gone = versions_of(thing) if version is None else [version]
            nothing = {"serialized_scorer": None, "creation_time": None}
            rows = [scope | {"version": each} | nothing for each in gone]
            bodies = [*records.table(SCORER_VERSIONS.name, rows)]
            if gone == versions_of(thing):
                bodies += records.table(SCORERS.name, [scope | _OFFLINE])
            return bodies, None

        self._control.change(decide)

    # Scoring of new traces

    def set_online(
        self,
        experiment_id: object,
        name: str,
        sample_rate: object,
        filter_string: str | None = None,
    ) -> OnlineScoringConfig:
        """Say how much of the new traces a scorer scores; errors as of ``get``.

        Raises:
            InvalidInputError: The rate is no number from 0 to 1.
        """
        if not isinstance(sample_rate, int | float) or not 0 <= sample_rate <= 1:
            raise InvalidInputError(
                f"sample_rate must be between 0.0 and 1.0, got {sample_rate!r}"
            )
        owner = self._active(experiment_id)
        text = validation.text(filter_string or "", "filter_string")
        config = {
            "online_config_id": new_id(),
            "sample_rate": float(sample_rate),
            "filter_string": text,
        }

        def decide(known: Draft) -> tuple[list[str], Mapping[str, str]]:
            scope = _scope(_require(known, owner, name, None))
            return records.table(SCORERS.name, [scope | config]), scope

        scope = self._control.change(decide)
        return _config(scope | config)

    def online(self, scorer_ids: Iterable[str]) -> list[OnlineScoringConfig]:
        """Return what was set of those of some scorers of which anything was."""
        known = self._control.known()
        things = known.things(SCORER, list(dict.fromkeys(map(str, scorer_ids))))
        return [_config(row) for row in map(_row, things.values()) if row["online_config_id"]]

    def active_online(self) -> list[tuple[ScorerVersion, OnlineScoringConfig]]:
        """Return the latest version of each scorer that scores any new traces."""
        scoring = self._search([], "sample_rate > 0")
        return [
            (versions[-1], _config(_row(thing)))
            for thing in scoring
            if (versions := _entities(thing))
        ]

    def _search(
        self, experiment_ids: Sequence[str], filter_string: str | None = None
    ) -> list[Thing]:
        pages = searching.pages_of(
            self._lake,
            self._reader,
            SCORER,
            filter_string,
            experiment_ids=experiment_ids or None,
        )
        return [
            thing
            for page in pages
            for thing in self._reader.things(SCORER, page.ids, page.snapshot_id)
        ]

    def _active(self, experiment_id: object) -> str:
        wanted = validation.experiment_id(experiment_id)
        self._experiments.require_active(wanted)
        return wanted


def _name(name: object) -> str:
    if not isinstance(name, str) or not name.strip():
        raise InvalidInputError(f"Scorer name must be a text that is not empty, got {name!r}")
    if len(name) > _MOST_NAME_CHARACTERS:
        raise InvalidInputError(
            f"Scorer name has {len(name)} characters, not at most {_MOST_NAME_CHARACTERS}"
        )
    return validation.text(name, "name")


def _require(known: Known, experiment_id: str, name: str, version: int | None) -> Thing:
    """Return the scorer of this name that has a version, or any where none is named."""
    found = known.find(SCORER, "full_name", name_within(experiment_id, name))
    there = [] if found is None else versions_of(found)
    # One whose versions were deleted one by one has a row still.
    if found is None or not there or (version is not None and version not in there):
        which = "" if version is None or found is None else f" and version {version}"
        raise NotFoundError(
            f"Scorer with name '{name}'{which} not found for experiment {experiment_id}."
        )
    return found


def records_of(made: ScorerVersion, *, is_first: bool) -> list[str]:
    """Return the records that make a version of a scorer.

    Args:
        made: The version.
        is_first: Whether they make the scorer too.
    """
    scope: dict[str, Any] = {"experiment_id": made.experiment_id, "scorer_id": made.scorer_id}
    time = {"creation_time": made.creation_time}
    full_name = name_within(made.experiment_id, made.scorer_name)
    scorer = {"name": made.scorer_name, "full_name": full_name} | time
    version = {
        "version": made.scorer_version,
        "serialized_scorer": made.serialized_scorer,
    } | time
    # A body each: a long scorer takes most of a line.
    return [
        *(records.table(SCORERS.name, [scope | scorer]) if is_first else ()),
        *records.table(SCORER_VERSIONS.name, [scope | version]),
    ]


def versions_of(scorer: Thing) -> list[int]:
    """Return the numbers of the versions of a scorer, in order."""
    return [version for version, _ in scorer.rows(SCORER_VERSIONS.name)]


def has_version(scorer: Thing, version: int, since: int) -> bool:
    """Return whether a scorer has a version, or had it at a time or later.

    Args:
        scorer: The scorer.
        version: Number of the version.
        since: Milliseconds since the Unix epoch.
    """
    (clock, *_), values = scorer.parts[SCORER_VERSIONS.name].get(version, ((-1,), None))
    return values is not None or clock >= since * 1_000


def _scope(thing: Thing) -> dict[str, str]:
    return dict(zip(SCORER.scope, thing.scope, strict=True))


def _row(thing: Thing) -> dict[str, Any]:
    row = thing.row(SCORER)
    assert row is not None
    return row


def _entities(thing: Thing) -> list[ScorerVersion]:
    row = _row(thing)
    return [
        ScorerVersion(
            row["experiment_id"], row["name"], version, text, created, row["scorer_id"]
        )
        for version, (text, created) in thing.rows(SCORER_VERSIONS.name)
    ]


def _config(row: Mapping[str, Any]) -> OnlineScoringConfig:
    return OnlineScoringConfig(
        row["online_config_id"],
        row["scorer_id"],
        row["sample_rate"],
        row["experiment_id"],
        row["filter_string"] or None,
    )
