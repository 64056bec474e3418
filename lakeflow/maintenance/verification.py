"""Whether the files of artifacts are what was logged: records and folders, side by side.

Those of runs, then those of logged models:

1. Which of them there are, and how much is recorded of each: ``_wanted``.
2. What is recorded of some of them: ``_recorded``.
3. What is in their folders, and which of the files must be read: ``_looked_at``.
4. Their content: ``read``.
5. What is recorded now of those with findings: somebody may be logging: ``_still``.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from lakeflow.exceptions import LakeflowException, StorageError
from lakeflow.maintenance.report import Finding, VerificationReport
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import ARTIFACTS, LOGGED_MODEL_FILES, LOGGED_MODELS, RUNS
from lakeflow.transfer import at_once, fetching, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.maintenance.report import Problem
    from lakeflow.schema import TableSpec
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.store import Store

_FILES_AT_ONCE = 20_000
_THINGS_AT_ONCE = 1_000
"""Records of so many files and things are in memory at most, one of more files apart."""

_STORE_IS_AWAY = {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"}


class Owner(NamedTuple):
    """What files are beside; nothing of it for a model version.

    Attributes:
        run_id: The run.
        model_id: The logged model.
    """

    run_id: str = ""
    model_id: str = ""

    def finding(self, problem: Problem, path: str, detail: str) -> Finding:
        """Return a finding about a file of it."""
        return Finding(problem, self.run_id, path, detail, self.model_id)


class _Kind(NamedTuple):
    """Things with files beside them: their tables, and the columns of these."""

    things: TableSpec
    files: TableSpec
    id_column: str
    location: str

    def owner(self, identity: str) -> Owner:
        return Owner(**{self.id_column: identity})


_RUN = _Kind(RUNS, ARTIFACTS, "run_id", "artifact_uri")
_MODEL = _Kind(LOGGED_MODELS, LOGGED_MODEL_FILES, "model_id", "artifact_location")


class _Thing(NamedTuple):
    identity: str
    experiment_id: str
    location: str
    files: int


class Record(NamedTuple):
    """What is recorded of a file.

    Attributes:
        size: Bytes.
        sha256: Digest of its content.
        log_time: When it was logged, by which a later record is told from an earlier one.
    """

    size: int
    sha256: str
    log_time: int = 0


class File(NamedTuple):
    """A file whose content is to be read."""

    owner: Owner
    place: Place
    path: str
    record: Record


_Records = dict[Owner, dict[str, Record]]
"""What is recorded, by owner and path."""


def verify_artifacts(
    store: Store,
    run_ids: Sequence[str] | None = None,
    experiment_ids: Sequence[str] | None = None,
    model_ids: Sequence[str] | None = None,
    *,
    is_quick: bool = False,
    is_shown: bool = False,
) -> VerificationReport:
    """Compare the files of artifacts with what is recorded of them.

    Args:
        store: The lake's.
        run_ids: Only those of these runs.
        experiment_ids: Only those in these experiments.
        model_ids: Only those of these logged models; beside ``run_ids`` those of both.
        is_quick: Whether to look at sizes alone.
        is_shown: Whether to show on a terminal how far it is.

    Raises:
        NotFoundError: There is no such run, model or experiment.
        StorageError: The lake cannot be read, or a store is out of reach.
    """
    reader = store.runs.reader
    # Who names only runs, or only models, asks for none of the others.
    of_runs = () if run_ids is None and model_ids is not None else run_ids
    of_models = () if model_ids is None and run_ids is not None else model_ids
    wanted = [
        _wanted(_RUN, of_runs, experiment_ids),
        _wanted(_MODEL, of_models, experiment_ids),
    ]
    runs, models = map(_things, reader.tables(wanted, experiment_ids or (), None))
    files = sum(each.files for each in (*runs, *models))
    report = VerificationReport(len(runs), files, models=len(models))
    with progress.shown("verified", files, is_wanted=is_shown) as advance:
        for kind, things in ((_RUN, runs), (_MODEL, models)):
            for some in _batches(things):
                records = _recorded(reader, kind, some)
                # Filled as the loops below go on: all of it is there once they have ended.
                found: list[Finding] = []
                for place_of in _by_filesystem(store, kind, some, found):
                    looked_at = _looked_at(place_of, records, found, is_quick=is_quick)
                    for file, finding in read(looked_at, next(iter(place_of.values())).fs):
                        advance(file.record.size)
                        found += [finding] if finding else []
                report.bytes += sum(
                    each.size for paths in records.values() for each in paths.values()
                )
                report.findings += _still(reader, kind, some, records, found)
    report.findings.sort(key=lambda each: (each.run_id, each.model_id, each.path))
    return report


def _wanted(
    kind: _Kind, ids: Sequence[str] | None, experiment_ids: Sequence[str] | None
) -> Statement:
    """Return what asks for things, those with one place for their files together."""
    column, conditions, values = kind.id_column, [], {}
    for name, wanted in ((column, ids), ("experiment_id", experiment_ids)):
        if wanted is not None:
            conditions.append(f"{name} IN (SELECT unnest(${name}s))")
            values[f"{name}s"] = list(wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # All text of it is ours; the ids are bound.
    # By experiment: those that are looked up together are in few, to which that is narrowed.
    return Statement(
        f"""
        SELECT {column}, experiment_id, {kind.location}, coalesce(files, 0) AS files
        FROM {kind.things.name}
        LEFT JOIN (
            SELECT {column}, count(*) AS files FROM {kind.files.name} {where} GROUP BY ALL
        ) USING ({column})
        {where} ORDER BY experiment_id, {column}
        """,  # noqa: S608
        values,
        (kind.things.name, kind.files.name),
        named={kind.files.name: (column, ids)} if ids is not None else {},
    )


def _things(found: pyarrow.Table) -> list[_Thing]:
    columns = (each.to_pylist() for each in found.columns)
    return [_Thing(*row) for row in zip(*columns, strict=True)]


def _batches(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    some: list[_Thing] = []
    files = 0
    for thing in things:
        if some and (files + thing.files > _FILES_AT_ONCE or len(some) == _THINGS_AT_ONCE):
            yield some
            some, files = [], 0
        some.append(thing)
        files += thing.files
    if some:
        yield some


def _recorded(reader: Reader, kind: _Kind, things: Sequence[_Thing]) -> _Records:
    ids = [each.identity for each in things]
    records: _Records = {kind.owner(each): {} for each in ids}
    statement = Statement(
        f"SELECT {kind.id_column}, path, size, sha256, log_time "  # noqa: S608
        f"FROM {kind.files.name} WHERE {kind.id_column} IN (SELECT unnest($ids))",
        {"ids": ids},
        (kind.files.name,),
        named={kind.files.name: (kind.id_column, ids)},
    )
    experiments = list({each.experiment_id for each in things})
    (found,) = reader.tables([statement], experiments, None)
    columns = (column.to_pylist() for column in found.columns)
    for identity, path, *record in zip(*columns, strict=True):
        records[kind.owner(identity)][path] = Record(*record)
    return records


def _by_filesystem(
    store: Store, kind: _Kind, things: Iterable[_Thing], found: list[Finding]
) -> Iterable[dict[Owner, Place]]:
    """Return the places of files, those on one filesystem together."""
    places: dict[int, dict[Owner, Place]] = defaultdict(dict)
    for thing in things:
        owner = kind.owner(thing.identity)
        try:
            place = store.artifacts.places.beside(thing.identity, thing.location)
        except LakeflowException as error:
            found.append(_unreadable(error, owner, ""))
            continue
        places[id(place.fs)][owner] = place
    return places.values()


def _looked_at(
    place_of: Mapping[Owner, Place],
    records: _Records,
    found: list[Finding],
    *,
    is_quick: bool,
) -> Iterator[File]:
    """Yield the files of which the folders alone do not tell whether they are right."""
    # One for all of them, as ``_by_filesystem`` has put them together.
    fs = next(iter(place_of.values())).fs

    def listed(owner: Owner) -> tuple[Owner, dict[str, int] | Finding]:
        try:
            return owner, place_of[owner].sizes()
        except StorageError as error:
            _require_reachable(fs, error)
            return owner, _unreadable(error, owner, "")

    for owner, sizes in at_once.done(fs, listed, place_of, lambda _: 0):
        if isinstance(sizes, Finding):
            found.append(sizes)
            continue
        recorded = records[owner]
        found += told_apart(owner, recorded, sizes)
        if is_quick:
            continue
        for path, record in recorded.items():
            if sizes.get(path) == record.size:
                yield File(owner, place_of[owner], path, record)


def told_apart(
    owner: Owner, recorded: Mapping[str, Record], sizes: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield what a listing tells of the files of an owner. Pure."""
    for path, record in recorded.items():
        size = sizes.get(path)
        if size is None:
            yield owner.finding("missing", path, f"{record.size:,} bytes were logged")
        elif size != record.size:
            detail = f"{size:,} bytes, of {record.size:,} that were logged"
            yield owner.finding("changed", path, detail)
    for path in sizes.keys() - recorded.keys():
        yield owner.finding("unrecorded", path, f"{sizes[path]:,} bytes")


def read(files: Iterable[File], fs: Filesystem) -> Iterator[tuple[File, Finding | None]]:
    """Read files, several at once where each is a request, and yield what was found."""
    yield from at_once.done(
        fs, lambda each: (each, _finding(each)), files, lambda each: each.record.size
    )


def _finding(file: File) -> Finding | None:
    fs, source = file.place.fs, file.place.full(file.path)
    digest = hashlib.sha256()
    try:
        for data in fetching.parts(fs, source, 0, file.record.size):
            digest.update(data)
    except FileNotFoundError:
        return file.owner.finding("missing", file.path, "it has just been deleted")
    except StorageError as error:
        _require_reachable(fs, error)
        return _unreadable(error, file.owner, file.path)
    if digest.hexdigest() == file.record.sha256:
        return None
    return file.owner.finding("changed", file.path, "its SHA-256 is another one")


def _unreadable(error: LakeflowException, owner: Owner, path: str) -> Finding:
    return owner.finding("unreadable", path, error.message.partition("\nHint: ")[0])


def _require_reachable(fs: Filesystem, error: StorageError) -> None:
    """Raise an error again that says nothing about a file, but that the store is away.

    Raises:
        StorageError: It is.
    """
    # A disk may fail for one file alone; a store that is away has none of them.
    if not fs.can_append and error.error_code in _STORE_IS_AWAY:
        raise error


def _still(
    reader: Reader,
    kind: _Kind,
    things: Iterable[_Thing],
    before: _Records,
    found: Iterable[Finding],
) -> list[Finding]:
    """Leave out the findings about files that were logged in the meantime."""
    findings = [(Owner(each.run_id, each.model_id), each) for each in found]
    owners = {owner for owner, _ in findings}
    if not owners:
        return []
    now = _recorded(reader, kind, [e for e in things if kind.owner(e.identity) in owners])
    return [
        finding
        for owner, finding in findings
        if before[owner].get(finding.path) == now[owner].get(finding.path)
    ]
