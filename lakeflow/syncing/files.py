"""Files beside runs and logged models, brought before the records that tell of them."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import NotFoundError
from lakeflow.kinds import LOGGED_MODEL, RUN
from lakeflow.printable import without_password
from lakeflow.schema import ARTIFACTS, LOGGED_MODEL_FILES, RUNS
from lakeflow.stores.artifacts.places import ArtifactPlaces
from lakeflow.transfer import at_once, between, paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.kinds import Kind
    from lakeflow.stores.artifacts.recorded import Recorded
    from lakeflow.stores.store import Store
    from lakeflow.syncing.report import SyncReport


_MOST_KNOWN = 100_000
"""Runs of which it is kept where their artifacts are."""


class _File(NamedTuple):
    """A file that the target may lack.

    Attributes:
        path: Its path in both lakes.
        size: Bytes.
        sha256: Digest of what was logged.
        identity: The run or the logged model beside which it is recorded.
        name: Its path there.
        log_time: When it was logged, in milliseconds since the Unix epoch.
    """

    path: str
    size: int
    sha256: str
    identity: str
    name: str
    log_time: int


_Recorded = dict[str, dict[str, tuple[int, str, int]]]
"""Size, digest and time of files by run or model, and path."""


class Files:
    """Brings the files within a lake to the same paths within another one.

    What an experiment keeps elsewhere stays where it is: both lakes say so.

    Args:
        source: The lake.
        target: The other one.
        report: Where it is counted.
    """

    def __init__(self, source: Store, target: Store, report: SyncReport) -> None:
        self._source = source
        self._target = target
        self._report = report
        self._places = ArtifactPlaces(source.lake)
        self._uris: OrderedDict[str, str] = OrderedDict()
        self._known: dict[str, dict[str, Recorded]] = {}
        self._unsynced: list[str] = []

    def bring(self, some: Iterable[Mapping[str, Any]]) -> None:
        """Bring the files that records of the log tell of.

        Raises:
            StorageError: One cannot be read, or not be written.
        """
        of_runs: _Recorded = {}
        of_models: _Recorded = {}
        for record in some:
            self._note(record)
            if rows := record.get(ARTIFACTS.name):
                _add(of_runs, itertools.repeat(record["run_id"]), rows)
            if rows := record.get(LOGGED_MODEL_FILES.name):
                _add(of_models, rows["model_id"], rows)
        # Asked anew for each batch, since others log to the target meanwhile.
        self._known.clear()
        wanted = {each.path: each for each in self._of_runs(of_runs)}
        wanted |= {each.path: each for each in self._of_models(of_models)}
        fs = self._target.lake.fs
        for brought in at_once.done(fs, self._send, wanted.values(), lambda each: each.size):
            if brought is None:
                continue
            path, size = brought
            # Also one that was there: a sync that was killed may have sent it.
            self._unsynced.append(path)
            if size is not None:
                self._report.files += 1
                self._report.file_bytes += size

    def finish(self) -> None:
        """Return once all that was brought survives a power cut.

        Raises:
            StorageError: A file cannot be synced.
        """
        self._target.lake.fs.sync(*self._unsynced)
        self._unsynced.clear()

    def _note(self, record: Mapping[str, Any]) -> None:
        """Keep where the artifacts of a run are, to ask for those of few others."""
        for uri in (record.get(RUNS.name) or {}).get("artifact_uri") or ():
            if uri is not None:
                self._uris[record["run_id"]] = uri
        if len(self._uris) > _MOST_KNOWN:
            self._uris.popitem(last=False)

    def _of_runs(self, recorded: _Recorded) -> Iterator[_File]:
        known = [(run_id, self._uris.get(run_id)) for run_id in recorded]
        others = [run_id for run_id, uri in known if uri is None]
        yield from self._in_folders(known, recorded)
        yield from self._in_folders(self._asked(RUN, "artifact_uri", others), recorded)

    def _of_models(self, recorded: _Recorded) -> Iterator[_File]:
        asked = self._asked(LOGGED_MODEL, "artifact_location", recorded)
        yield from self._in_folders(asked, recorded)

    def _in_folders(
        self, located: Iterable[tuple[str, str | None]], recorded: _Recorded
    ) -> Iterator[_File]:
        for identity, folder in self._folders(located):
            for path, (size, digest, logged) in recorded[identity].items():
                # What another lake says is input: a path might lead out of the folder.
                if paths.is_safe(path):
                    yield _File(f"{folder}/{path}", size, digest, identity, path, logged)

    def _asked(
        self, kind: Kind, column: str, ids: Iterable[str]
    ) -> Iterator[tuple[str, str | None]]:
        """Yield the ids of things with where their files are, as the lake says."""
        ids = list(ids)
        for thing in self._source.reader.things(kind, ids, look=True) if ids else ():
            row = thing.row(kind)
            if row is not None:
                yield thing.id, row[column]

    def _folders(self, located: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, str]]:
        """Yield ids with the folders of their files, of those that are within the lake."""
        for identity, uri in located:
            if uri:
                place = self._places.beside(identity, uri)
                if place.fs is self._source.lake.fs:
                    yield identity, place.folder

    def _send(self, file: _File) -> tuple[str, int | None] | None:
        """Send a file unless it is there.

        Returns:
            Its path, and its size if it was sent; None if the source lacks it.
        """
        source, target = self._source.lake.fs, self._target.lake.fs
        there = target.entry(file.path)
        if there is not None:
            is_same = there.size == file.size and self._is_same(file)
            if is_same or self._is_older(file):
                return file.path, None
        now, place = source.entry(file.path), without_password(source.uri)
        if now is None or now.is_folder:
            self._report.problems.append(f"{place}/{file.path} is not there")
            return None
        digest = between.send(source, file.path, now.size, target, file.path)
        if digest != file.sha256 and not self._is_replaced(file, digest):
            self._report.problems.append(
                f"{place}/{file.path} was replaced since it was logged"
            )
        return file.path, now.size

    def _is_same(self, file: _File) -> bool:
        """Return whether a file that is there in its size is taken for what was logged."""
        # To compare costs as much as to send, where each is a request.
        fs = self._target.lake.fs
        return fs.can_append and file.sha256 == between.digest_of(fs, file.path, file.size)

    def _is_older(self, file: _File) -> bool:
        """Return whether another file was logged to its path in the target since."""
        # Asked once of a run: a whole lake may come once more, file by file.
        if file.identity not in self._known:
            self._known[file.identity] = _recorded(self._target, file.identity)
        known = self._known[file.identity].get(file.name)
        return known is not None and known.log_time > file.log_time

    def _is_replaced(self, file: _File, digest: str) -> bool:
        """Return whether it is another file that was logged to its path in the source since."""
        known = _recorded(self._source, file.identity).get(file.name)
        return known is not None and known.sha256 == digest


def _recorded(store: Store, identity: str) -> dict[str, Recorded]:
    """Return what is recorded of the files of a run or a logged model."""
    try:
        return store.files_beside(identity).recorded(identity)
    except NotFoundError:
        return {}


def _add(
    recorded: _Recorded, identities: Iterable[str], rows: Mapping[str, Sequence[Any]]
) -> None:
    columns = (rows[name] for name in ("path", "size", "sha256", "log_time"))
    # Not strict: the id of a run is repeated without an end.
    for identity, path, *each in zip(identities, *columns, strict=False):
        recorded.setdefault(identity, {})[path] = tuple(each)
