"""Artifacts: files beside a run, and what is recorded of each."""

from __future__ import annotations

import contextlib
import functools
import os
import posixpath
from typing import TYPE_CHECKING, Any

from lakeflow import records, temporary
from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.kinds import RUN
from lakeflow.media import figures
from lakeflow.media.documents import document
from lakeflow.schema import ARTIFACTS
from lakeflow.stores.artifacts import files_beside, folders
from lakeflow.stores.artifacts.files_beside import FilesBeside
from lakeflow.stores.artifacts.places import ArtifactPlaces
from lakeflow.stores.artifacts.recorded import COLUMNS, Label, Recorded, label_of
from lakeflow.stores.experiments import now_ms
from lakeflow.transfer import at_once, fetching, paths, sending
from lakeflow.transfer.sending import Sent, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.artifacts.places import Place
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.run_heads import RunHead, RunHeads

_MOST_REMEMBERED = 100_000

_COLUMNS = (*COLUMNS, *Label._fields)


class ArtifactStore(FilesBeside):
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

    def log(self, identity: str, local_path: Any, artifact_path: Any = None) -> None:
        """Log a file of this machine, or a folder under its own name."""
        require_run(identity)
        super().log(identity, local_path, artifact_path)

    def log_folder(self, identity: str, local_dir: Any, artifact_path: Any = None) -> None:
        """Log the files of a folder of this machine."""
        require_run(identity)
        super().log_folder(identity, local_dir, artifact_path)

    def log_bytes(
        self, run_id: str, artifact_file: Any, data: bytes, label: Label | None = None
    ) -> str:
        """Log a content as a file, and return the path that it has below the run's."""
        require_run(run_id)
        path = paths.normal(artifact_file, "artifact_file")
        head, place = self.place(run_id)
        sent = Sent(path, len(data), sending.digest_of(data))
        is_there = self._is_there(run_id, head, place, *sent[:3])
        if not is_there:
            # The file first: its row is never there without what it says.
            place.fs.put(place.full(path), data)
        # As in ``files_beside.send``.
        if not is_there or self._lake.is_durable:
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
        self, identity: str, sources: Iterable[Source], label: Label | None = None
    ) -> None:
        """Log files of this machine; those that arrive before an error stay."""
        head, place = self.place(identity)
        files_beside.send(
            place,
            sources,
            functools.partial(self._is_there, identity, head, place),
            lambda arrived: self.record(head, place, arrived, label),
            fsync=self._lake.is_durable,
        )

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
        now = now_ms()
        found = files_beside.rows_of(place, files, now, fsync=self._lake.is_durable)
        labelled = [(row, label or label_of(row[0])) for row in found]
        rows = [(*row, *is_a) for row, is_a in labelled]
        fields = [records.tuples(ARTIFACTS.name, _COLUMNS, rows)]
        fields += [records.tags(tags.items())] if tags else []
        self._lake.append(records.bodies(head.about, *fields))
        # An image has a name of its own, which nobody logs again. What is not remembered is
        # sent again where it is logged again.
        known = head.artifacts
        if known is not None and len(known) < _MOST_REMEMBERED:
            for (path, size, sha256, _), is_a in labelled:
                if is_a.key is None:
                    known[path] = Recorded(size, sha256, now, is_a)

    def _is_there(
        self, run_id: str, head: RunHead, place: Place, path: str, size: int, sha256: str
    ) -> bool:
        if head.artifacts is None:
            head.artifacts = self.recorded(run_id)
        return files_beside.is_there(place, head.artifacts.get(path), path, size, sha256)

    # Reading

    def recorded(self, identity: str, path: str = "") -> dict[str, Recorded]:
        """Return what is recorded of files by path: of all of a run, or of one folder."""
        run_id = validation.run_id(identity)
        experiment_id = self._reader.run(run_id).fields["experiment_id"]
        rows = self._reader.rows_beside(RUN, ARTIFACTS, (experiment_id, run_id))
        return {
            row["path"]: Recorded(
                row["size"],
                row["sha256"],
                row["log_time"],
                Label(row["kind"], row["key"], row["step"], row["timestamp"]),
            )
            for row in files_beside.below(rows, path)
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

    def folder(self, identity: str) -> Place:
        """Return where the artifacts of a run are."""
        return self.place(identity)[1]

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
