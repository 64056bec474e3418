"""Artifacts: files beside a run, and what is recorded of each."""

from __future__ import annotations

import contextlib
import os
import posixpath
from typing import TYPE_CHECKING, Any

from lakeflow import records, temporary
from lakeflow.config import is_progress_shown
from lakeflow.entities import FileInfo, validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.media import figures
from lakeflow.media.documents import document
from lakeflow.schema import ARTIFACTS
from lakeflow.stores.artifacts import folders
from lakeflow.stores.artifacts.places import ArtifactPlaces
from lakeflow.stores.artifacts.recorded import Label, Recorded, label_of
from lakeflow.stores.experiments import now_ms
from lakeflow.transfer import at_once, fetching, paths, progress, sending
from lakeflow.transfer.sending import Sent, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.run_heads import RunHead, RunHeads

_ROWS_A_RECORD = 1_000
"""Files after which they are recorded: what a process that is killed then sends no more."""

_MOST_REMEMBERED = 100_000

_SECONDS_OF_CLOCK = 1.0
"""A file that is this much younger than its record may have another content."""


class ArtifactStore:
    """The artifacts of a lake's runs; threads share it.

    Args:
        lake: The lake.
        heads: What is remembered of its runs.
        reader: What reads what is recorded.

    Attributes:
        places: Where the artifacts of runs are.
    """

    def __init__(self, lake: Lake, heads: RunHeads, reader: Reader) -> None:
        self._lake = lake
        self._heads = heads
        self._reader = reader
        self.places = ArtifactPlaces(lake)

    # Logging

    def log(self, run_id: str, local_path: Any, artifact_path: Any = None) -> None:
        """Log a file of this machine, or a folder under its own name."""
        require_run(run_id)
        local, folder = os.fspath(local_path), paths.checked(artifact_path, "artifact_path")
        # "." and "model/" end in no name of their own.
        name = os.path.basename(os.path.abspath(local))
        path = paths.normal(paths.below(folder, name), "local_path")
        if os.path.isdir(local):
            self.log_files(run_id, sending.files_below(local, path))
        else:
            self.log_files(run_id, [sending.file_at(local, path)])

    def log_folder(
        self,
        run_id: str,
        local_dir: Any,
        artifact_path: Any = None,
        label: Label | None = None,
    ) -> None:
        """Log the files of a folder of this machine."""
        require_run(run_id)
        local, folder = os.fspath(local_dir), paths.checked(artifact_path, "artifact_path")
        if not os.path.isdir(local):
            raise InvalidInputError(f"local_dir is {local!r}, which is no folder")
        self.log_files(run_id, sending.files_below(local, folder), label)

    def log_bytes(
        self, run_id: str, artifact_file: Any, data: bytes, label: Label | None = None
    ) -> str:
        """Log a content as a file, and return the path that it has below the run's."""
        require_run(run_id)
        path = paths.normal(artifact_file, "artifact_file")
        head, place = self.place(run_id)
        sent = Sent(path, len(data), sending.digest_of(data))
        if not self._is_there(run_id, head, place, *sent[:3]):
            # The file first: its row is never there without what it says.
            place.fs.put(place.full(path), data)
            self.record(head, place, [sent], label)
        return path

    def log_text(self, run_id: str, text: str, artifact_file: Any) -> None:
        """Log a text in UTF-8."""
        if not isinstance(text, str):
            raise TypeError(f"text is a {type(text).__name__}, not a text")
        try:
            data = text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(f"text cannot be encoded: {error}") from error
        self.log_bytes(run_id, artifact_file, data)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: Any) -> None:
        """Log what JSON or YAML can say."""
        self.log_bytes(run_id, artifact_file, document(dictionary, os.fspath(artifact_file)))

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: Any, options: Mapping[str, Any] | None
    ) -> None:
        """Log a figure of matplotlib or plotly."""
        with self.written(run_id, artifact_file, Label("figure")) as local:
            figures.save(figure, local, options)

    def log_new(
        self, run_id: str, contents: Mapping[str, bytes], label: Label, tags: Mapping[str, str]
    ) -> None:
        """Log contents under names that nobody has used, and tags with them: one record.

        Args:
            run_id: The run.
            contents: By path; several go at once where each is a request.
            label: What they are.
            tags: Values by key.
        """
        head, place = self.place(run_id)

        def sent(path: str) -> Sent:
            data = contents[path]
            place.fs.put(place.full(path), data)
            return Sent(path, len(data), sending.digest_of(data))

        files = at_once.done(place.fs, sent, contents, lambda path: len(contents[path]))
        self.record(head, place, [*files], label, tags)

    @contextlib.contextmanager
    def written(
        self, run_id: str, artifact_file: Any, label: Label | None = None
    ) -> Iterator[str]:
        """Give the path of a file on this machine, which is logged when it is written."""
        require_run(run_id)
        path = paths.normal(artifact_file, "artifact_file")
        with temporary.folder("artifact") as folder:
            local = os.path.join(folder, posixpath.basename(path))
            yield local
            self.log_files(run_id, [sending.file_at(local, path)], label)

    def log_files(
        self, run_id: str, sources: Iterable[Source], label: Label | None = None
    ) -> None:
        """Log files of this machine; those that arrive before an error stay."""
        head, place = self.place(run_id)
        # The whole folder first: a bad name in it is an error before anything is sent.
        found = list(sources)
        arrived: list[Sent] = []

        def is_there(path: str, size: int, sha256: str) -> bool:
            return self._is_there(run_id, head, place, path, size, sha256)

        try:
            with progress.shown(
                "uploaded", len(found), is_wanted=is_progress_shown()
            ) as advance:
                for sent in sending.send(place.fs, place.folder, found, is_there):
                    advance(sent.size)
                    arrived += [sent] if sent.is_new else []
                    if len(arrived) == _ROWS_A_RECORD:
                        self.record(head, place, arrived, label)
                        arrived = []
        finally:
            # What has arrived before an error is kept, and is not sent again.
            if arrived:
                self.record(head, place, arrived, label)

    def record(
        self,
        head: RunHead,
        place: Place,
        files: Sequence[Sent],
        label: Label | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Record files that have arrived, and set tags of the run, in one line of the log.

        Args:
            head: The run.
            place: Where its files are.
            files: The files.
            label: What they are; None for what their names say.
            tags: Values by key.
        """
        # Before the record: a power cut must not leave a row whose file is not there.
        if self._lake.settings.durability == "fsync":
            place.fs.sync(*(place.full(each.path) for each in files))
        now = now_ms()
        labels = {each.path: label or label_of(each.path) for each in files}
        rows = [
            {
                "path": each.path,
                "size": each.size,
                "sha256": each.sha256,
                "log_time": now,
                **labels[each.path]._asdict(),
            }
            for each in files
        ]
        fields = [records.table(ARTIFACTS.name, rows)]
        fields += [records.tags(tags.items())] if tags else []
        self._lake.append(records.bodies(head.about, *fields))
        # An image has a name of its own, which nobody logs again. What is not remembered is
        # sent again where it is logged again.
        known = head.artifacts
        if known is not None and len(known) < _MOST_REMEMBERED:
            known |= {
                each.path: Recorded(each.size, each.sha256, now, labels[each.path])
                for each in files
                if labels[each.path].key is None
            }

    def _is_there(
        self, run_id: str, head: RunHead, place: Place, path: str, size: int, sha256: str
    ) -> bool:
        """Return whether a file has this content, as far as one can tell without reading it."""
        if head.artifacts is None:
            head.artifacts = self.recorded(run_id)
        known = head.artifacts.get(path)
        if known is None or known[:2] != (size, sha256):
            return False
        entry = place.fs.entry(place.full(path))
        written = known.log_time / 1000 + _SECONDS_OF_CLOCK
        return entry is not None and entry.size == size and entry.modified_s <= written

    # Reading

    def recorded(self, run_id: str, path: str = "") -> dict[str, Recorded]:
        """Return what is recorded of the files of a run by path: of all, or of one folder."""
        rows = self._reader.artifacts(validation.run_id(run_id))
        return {
            row["path"]: Recorded(
                row["size"],
                row["sha256"],
                row["log_time"],
                Label(row["kind"], row["key"], row["step"], row["timestamp"]),
            )
            for row in rows
            if not path or row["path"] == path or row["path"].startswith(f"{path}/")
        }

    def content(self, run_id: str, path: str, known: Recorded) -> bytes:
        """Return the content of a small file.

        Raises:
            DamagedLakeError: It is not what was logged.
            StorageError: RESOURCE_DOES_NOT_EXIST, it is gone; or it could not be read.
        """
        _, place = self.place(run_id)
        full = place.full(path)
        try:
            data = place.fs.read(full)
        except FileNotFoundError as error:
            raise folders.missing(place, path) from error
        if sending.digest_of(data) != known.sha256:
            raise fetching.changed(place.fs, full)
        return data

    def listing(self, run_id: str, path: Any = None) -> list[FileInfo]:
        """Return what is in a folder of a run's artifacts; see ``LakeflowClient``."""
        below = paths.checked(path, "path")
        _, place = self.place(run_id)
        return folders.listed(place, below)

    def download(self, run_id: str, path: Any, dst_path: Any = None) -> str:
        """Fetch a file or folder of a run's artifacts; see ``LakeflowClient``."""
        below = paths.checked(path, "path")
        _, place = self.place(run_id)
        return folders.fetched(place, below, dst_path, lambda: self.recorded(run_id, below))

    def place(self, run_id: str) -> tuple[RunHead, Place]:
        """Return the head of a run, and where its artifacts are."""
        head = self._heads.get(run_id)
        return head, self.places.beside(run_id, head.artifact_uri)


def require_run(run_id: object) -> None:
    """Refuse the id of a trace, which MLflow's clients tell from that of a run.

    Raises:
        InvalidInputError: It is one.
    """
    if isinstance(run_id, str) and run_id.startswith("tr-"):
        raise InvalidInputError(f"{run_id} is the id of a trace, and must map to a valid run")
