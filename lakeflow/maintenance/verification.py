"""Whether the files of artifacts are what was logged: records and folders, side by side.

1. Which runs there are, and how much is recorded of each: ``_runs``.
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
from lakeflow.schema import ARTIFACTS, RUNS
from lakeflow.transfer import at_once, fetching, progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.store import Store

_FILES_AT_ONCE = 20_000
_RUNS_AT_ONCE = 1_000
"""Records of at most so many files and runs are in memory, one run of more files apart."""

_STORE_IS_AWAY = {"TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED"}


class _Run(NamedTuple):
    run_id: str
    experiment_id: str
    artifact_uri: str
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

    run_id: str
    place: Place
    path: str
    record: Record


_Records = dict[str, dict[str, Record]]
"""What is recorded, by run and path."""


def verify_artifacts(
    store: Store,
    run_ids: Sequence[str] | None = None,
    experiment_ids: Sequence[str] | None = None,
    *,
    is_quick: bool = False,
    is_shown: bool = False,
) -> VerificationReport:
    """Compare the files of artifacts with what is recorded of them.

    Args:
        store: The lake's.
        run_ids: Only those of these runs.
        experiment_ids: Only those of the runs of these experiments.
        is_quick: Whether to look at sizes alone.
        is_shown: Whether to show on a terminal how far it is.

    Raises:
        NotFoundError: There is no such run or experiment.
        StorageError: The lake cannot be read, or a store is out of reach.
    """
    reader = store.runs.reader
    runs = _runs(reader, run_ids, experiment_ids)
    report = VerificationReport(len(runs), sum(each.files for each in runs))
    with progress.shown("verified", report.files, is_wanted=is_shown) as advance:
        for some in _batches(runs):
            records = _recorded(reader, some)
            found: list[Finding] = []
            for place_of in _by_filesystem(store, some, found):
                files = _looked_at(place_of, records, found, is_quick=is_quick)
                for file, finding in read(files, next(iter(place_of.values())).fs):
                    advance(file.record.size)
                    found += [finding] if finding else []
            report.bytes += sum(each.size for run in records.values() for each in run.values())
            report.findings += _still(reader, some, records, found)
    report.findings.sort(key=lambda each: (each.run_id, each.path))
    return report


def _runs(
    reader: Reader, run_ids: Sequence[str] | None, experiment_ids: Sequence[str] | None
) -> list[_Run]:
    """Return the runs to look at, those with one place for their artifacts together."""
    conditions, values = [], {}
    for name, wanted in (("run_id", run_ids), ("experiment_id", experiment_ids)):
        if wanted is not None:
            conditions.append(f"{name} IN (SELECT unnest(${name}s))")
            values[f"{name}s"] = list(wanted)
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    # All text of it is ours; the ids are bound.
    statement = Statement(
        f"""
        SELECT run_id, experiment_id, artifact_uri, coalesce(files, 0) AS files
        FROM {RUNS.name}
        LEFT JOIN (
            SELECT run_id, count(*) AS files FROM {ARTIFACTS.name} {where} GROUP BY ALL
        ) USING (run_id)
        {where} ORDER BY experiment_id, run_id
        """,  # noqa: S608
        values,
        (RUNS.name, ARTIFACTS.name),
        named={ARTIFACTS.name: ("run_id", run_ids)} if run_ids is not None else {},
    )
    (found,) = reader.tables([statement], experiment_ids or (), None)
    columns = (column.to_pylist() for column in found.columns)
    return [_Run(*row) for row in zip(*columns, strict=True)]


def _batches(runs: Iterable[_Run]) -> Iterator[list[_Run]]:
    some: list[_Run] = []
    files = 0
    for run in runs:
        if some and (files + run.files > _FILES_AT_ONCE or len(some) == _RUNS_AT_ONCE):
            yield some
            some, files = [], 0
        some.append(run)
        files += run.files
    if some:
        yield some


def _recorded(reader: Reader, runs: Sequence[_Run]) -> _Records:
    records: _Records = {each.run_id: {} for each in runs}
    ids = list(records)
    statement = Statement(
        f"SELECT run_id, path, size, sha256, log_time FROM {ARTIFACTS.name} "  # noqa: S608
        "WHERE run_id IN (SELECT unnest($run_ids))",
        {"run_ids": ids},
        (ARTIFACTS.name,),
        named={ARTIFACTS.name: ("run_id", ids)},
    )
    (found,) = reader.tables([statement], list({each.experiment_id for each in runs}), None)
    columns = (column.to_pylist() for column in found.columns)
    for run_id, path, *record in zip(*columns, strict=True):
        records[run_id][path] = Record(*record)
    return records


def _by_filesystem(
    store: Store, runs: Iterable[_Run], found: list[Finding]
) -> Iterable[dict[str, Place]]:
    """Return the places of runs, those on one filesystem together."""
    places: dict[int, dict[str, Place]] = defaultdict(dict)
    for run in runs:
        try:
            place = store.artifacts.places.beside(run.run_id, run.artifact_uri)
        except LakeflowException as error:
            found.append(_unreadable(error, run.run_id, ""))
            continue
        places[id(place.fs)][run.run_id] = place
    return places.values()


def _looked_at(
    place_of: Mapping[str, Place],
    records: _Records,
    found: list[Finding],
    *,
    is_quick: bool,
) -> Iterator[File]:
    """Yield the files of which the folders alone do not tell whether they are right."""
    fs = next(iter(place_of.values())).fs

    def listed(run_id: str) -> tuple[str, dict[str, int] | Finding]:
        try:
            return run_id, place_of[run_id].sizes()
        except StorageError as error:
            _require_reachable(fs, error)
            return run_id, _unreadable(error, run_id, "")

    for run_id, sizes in at_once.done(fs, listed, place_of, lambda _: 0):
        if isinstance(sizes, Finding):
            found.append(sizes)
            continue
        recorded = records[run_id]
        found += told_apart(run_id, recorded, sizes)
        if is_quick:
            continue
        for path, record in recorded.items():
            if sizes.get(path) == record.size:
                yield File(run_id, place_of[run_id], path, record)


def told_apart(
    run_id: str, recorded: Mapping[str, Record], sizes: Mapping[str, int]
) -> Iterator[Finding]:
    """Yield what a listing tells of the files of a run. Pure."""
    for path, record in recorded.items():
        size = sizes.get(path)
        if size is None:
            yield Finding("missing", run_id, path, f"{record.size:,} bytes were logged")
        elif size != record.size:
            detail = f"{size:,} bytes, of {record.size:,} that were logged"
            yield Finding("changed", run_id, path, detail)
    for path in sizes.keys() - recorded.keys():
        yield Finding("unrecorded", run_id, path, f"{sizes[path]:,} bytes")


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
        return Finding("missing", file.run_id, file.path, "it has just been deleted")
    except StorageError as error:
        _require_reachable(fs, error)
        return _unreadable(error, file.run_id, file.path)
    if digest.hexdigest() == file.record.sha256:
        return None
    return Finding("changed", file.run_id, file.path, "its SHA-256 is another one")


def _unreadable(error: LakeflowException, run_id: str, path: str) -> Finding:
    return Finding("unreadable", run_id, path, error.message.partition("\nHint: ")[0])


def _require_reachable(fs: Filesystem, error: StorageError) -> None:
    """Raise an error again that says nothing about a file, but that the store is away.

    Raises:
        StorageError: It is.
    """
    if not fs.can_append and error.error_code in _STORE_IS_AWAY:
        raise error


def _still(
    reader: Reader, runs: Iterable[_Run], before: _Records, found: Iterable[Finding]
) -> list[Finding]:
    """Leave out the findings about files that were logged in the meantime."""
    ids = {each.run_id for each in found}
    if not ids:
        return []
    now = _recorded(reader, [each for each in runs if each.run_id in ids])

    def is_same(run_id: str, path: str) -> bool:
        return before[run_id].get(path) == now[run_id].get(path)

    return [each for each in found if is_same(each.run_id, each.path)]
