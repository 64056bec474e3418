"""Offline runs of Weights & Biases: the folders that its client leaves below ``wandb/``.

Folders of online runs have the same files, as long as nobody has deleted them. A run that was
resumed has a folder for each time.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import os
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing.items import ExperimentItem, FileItem, Problem
from lakeflow.importing.keys import key_of
from lakeflow.importing.sources.gathered_curves import gathered
from lakeflow.importing.sources.made_files import MadeFiles, file_size, json_line
from lakeflow.importing.sources.repeated_reads import Complaints, KnownRuns
from lakeflow.importing.sources.wandb import runs as wandb_runs
from lakeflow.importing.sources.wandb.records import records

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lakeflow.importing.items import Curve, RunItem
    from lakeflow.importing.sources.wandb.runs import ArtifactFile, Head, Known

_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-.+")
_LOG = re.compile(r"run-.+\.wandb")

_RUNNING_S = 300
"""A run without an end whose file was written to since then may still go on; W&B calls it
crashed after the same time."""

_OTHERS = "wandb-history.jsonl"
_OUTPUT = "output.log"


class _Log(NamedTuple):
    """The log of a run, or of one of its parts.

    Attributes:
        path: The file.
        head: What identifies the run.
    """

    path: str
    head: Head

    @property
    def files(self) -> str:
        """The folder of the run's files."""
        return os.path.join(os.path.dirname(self.path), "files")


class WandbSource:
    """Runs below a folder.

    Args:
        location: A folder with run folders at any depth, a run folder, or its ``.wandb`` file.

    Raises:
        InvalidInputError: The package ``wandb`` is not installed.
        NotFoundError: There are no runs.
    """

    def __init__(self, location: str | os.PathLike[str]) -> None:
        location = os.fspath(location)
        self.name = f"the W&B runs in {location}"
        self._record = _record_type()
        self._paths = sorted(_found(location), key=_began)
        if not self._paths:
            raise NotFoundError(
                f"no runs of W&B are in {location!r}",
                hint="give the folder `wandb` that its client has made, or one above it",
            )
        self._projects: dict[str, dict[str, list[_Log]]] | None = None
        self._logs: dict[str, list[_Log]] = {}
        self._know = KnownRuns(self._learned)
        self._made = MadeFiles()
        self._complaints = Complaints()
        self._complain = self._complaints.add

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """See ``Source``."""
        self._complaints.report_to(report)

    def close(self) -> None:
        """See ``Source``."""
        self._made.close()

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield the projects."""
        for project, runs in self._by_project().items():
            began = min(logs[0].head.start_time for logs in runs.values())
            yield ExperimentItem(project, project, creation_time=began)

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs of a project; see ``Source``."""
        for run_id, logs in self._by_project().get(experiment.key, {}).items():
            if since is None or logs[0].head.start_time >= since:
                known = self._know(run_id)
                self._say_what_is_lost(known, logs)
                # Of a resumed run each part has a folder, and a run has one place.
                yield wandb_runs.run_item(known, logs[-1].files, _is_running(known, logs))

    def counts(self, run: RunItem) -> dict[str, int]:
        """See ``Source``."""
        return self._know(run.run_id).counts

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """See ``Source``."""
        return gathered(
            self._know(run.run_id).counts, lambda keys: self._points(run.run_id, keys)
        )

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield the files of a run and of its artifacts, and what it logged as no number."""
        known, logs = self._know(run.run_id), self._logs[run.run_id]
        found = {}
        for log in logs:
            found.update({each.path: each for each in self._files_below(log.files)})
        # Some versions leave this file empty.
        if known.output and not (_OUTPUT in found and found[_OUTPUT].size):
            lines = self._printed(logs)
            found[_OUTPUT] = self._made.written(_OUTPUT, lines, logs[-1].path)
        if known.others:
            lines = map(json_line, self._others(logs))
            found[_OTHERS] = self._made.written(_OTHERS, lines, logs[-1].path)
        yield from found.values()
        for file in known.artifacts:
            yield from self._artifact_file(file, logs[-1].path)

    def _by_project(self) -> dict[str, dict[str, list[_Log]]]:
        """Return the logs by project and run, those of a run in their order."""
        if self._projects is None:
            projects: dict[str, dict[str, list[_Log]]] = {}
            for path in self._paths:
                head = self._head(path)
                if head is not None:
                    runs = projects.setdefault(head.project, {})
                    runs.setdefault(head.id, []).append(_Log(path, head))
            for runs in projects.values():
                self._logs.update(runs)
            self._projects = projects
        return self._projects

    def _head(self, path: str) -> Head | None:
        for record in self._read(path):
            if record.WhichOneof("record_type") == "run":
                return wandb_runs.head_of(record.run)
        self._complain(path, "nothing in it says which run it is of")
        return None

    def _learned(self, run_id: str) -> Known:
        logs = self._logs[run_id]
        known = wandb_runs.Known(logs[0].head, self._record().run)
        for record in self._records(logs):
            wandb_runs.learn(known, record)
        return known

    def _records(self, logs: list[_Log]) -> Iterator[Any]:
        for log in logs:
            yield from self._read(log.path)

    def _read(self, path: str) -> Iterator[Any]:
        from google.protobuf.message import DecodeError

        try:
            for written in records(path, lambda why: self._complain(path, why)):
                record = self._record()
                try:
                    record.ParseFromString(written)
                except DecodeError:
                    self._complain(path, "a record cannot be read")
                    continue
                yield record
        except OSError as error:
            self._complain(path, error.strerror or str(error))

    def _points(
        self, run_id: str, keys: frozenset[str]
    ) -> Iterator[tuple[str, float, int, int]]:
        logs, samples = self._logs[run_id], 0
        for record in self._records(logs):
            kind = record.WhichOneof("record_type")
            if kind == "history":
                step = wandb_runs.step_of(record.history, logs[0].head.start_time)
                for name, value in step.numbers:
                    if name in keys:
                        yield name, value, step.timestamp, step.step
            elif kind == "stats":
                at = wandb_runs.milliseconds(record.stats.timestamp)
                for name, value in wandb_runs.sample_of(record.stats):
                    if name in keys:
                        yield name, value, at, samples
                # A sample of the machine has no step: they are counted.
                samples += 1

    def _others(self, logs: list[_Log]) -> Iterator[dict[str, Any]]:
        for record in self._records(logs):
            if record.WhichOneof("record_type") == "history":
                step = wandb_runs.step_of(record.history, logs[0].head.start_time)
                if step.others:
                    yield {"_step": step.step, "_timestamp": step.timestamp, **step.others}

    def _printed(self, logs: list[_Log]) -> Iterator[str]:
        """Yield what the run has printed, as its terminal has got it."""
        for record in self._records(logs):
            kind = record.WhichOneof("record_type")
            if kind in ("output", "output_raw"):
                yield getattr(record, kind).line

    def _files_below(self, folder: str) -> Iterator[FileItem]:
        for above, _, names in os.walk(folder, onerror=self._unlisted):
            for name in names:
                location = os.path.join(above, name)
                path = os.path.relpath(location, folder).replace(os.sep, "/")
                # What was saved is a link to where it was: a file that may be gone by now.
                size = file_size(location)
                if size is None:
                    self._complain(location, "it is no file, or a link to one that is gone")
                else:
                    yield FileItem(path, location, size)

    def _unlisted(self, error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            self._complain(str(error.filename), error.strerror or str(error))

    def _artifact_file(self, file: ArtifactFile, log: str) -> Iterator[FileItem]:
        if file.reference:
            self._complain(log, f"{file.path} is only a reference, to {file.reference}")
        # A log may come from a stranger, and name any file of this machine: what is taken is
        # only what the log knows the digest of.
        elif _md5(file.local) == file.md5:
            yield FileItem(file.path, file.local, file.size)
        else:
            self._complain(log, f"{file.path} is not at {file.local!r} any more")

    def _say_what_is_lost(self, known: Known, logs: list[_Log]) -> None:
        path = logs[-1].path
        for name in sorted(known.renamed):
            kept = key_of(name)
            self._complain(path, f"the metric {name!r} is called {kept!r} here", is_loss=False)
        for folder in known.boards:
            why = f"TensorBoard's files in {folder} are left to `lakeflow import tensorboard`"
            self._complain(path, why)
        if known.alerts:
            self._complain(path, f"{known.alerts:,} alerts are left out", is_loss=False)
        if known.exit_code is None:
            self._complain(path, "the run has not ended, or was killed", is_loss=False)


def _record_type() -> Any:
    """Return W&B's class of a record.

    Raises:
        InvalidInputError: Its package is not installed.
    """
    # Older versions tell their makers of errors of the process that imports them.
    name = "WANDB_ERROR_REPORTING"
    before = os.environ.get(name)
    os.environ[name] = "false"
    try:
        module = importlib.import_module("wandb.proto.wandb_internal_pb2")
    except ModuleNotFoundError as error:
        raise InvalidInputError(
            "runs of W&B are read with its package wandb, which is not installed",
            hint="pip install 'lakeflow[wandb]'",
        ) from error
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
    return module.Record


def _found(location: str) -> Iterator[str]:
    """Yield the logs at or below a location; ``latest-run`` is a link, and not followed."""
    if os.path.isfile(location):
        yield os.path.abspath(location)
    for above, folders, names in os.walk(os.path.abspath(location)):
        logs = [name for name in names if _LOG.fullmatch(name)]
        yield from (os.path.join(above, name) for name in logs)
        if logs:
            # What is below the folder of a run are files of it, whatever they are called.
            folders.clear()


def _began(path: str) -> tuple[str, str]:
    """Return by what logs are ordered: the time in the name of the folder."""
    match = _FOLDER.fullmatch(os.path.basename(os.path.dirname(path)))
    return (match[1] if match else "", path)


def _is_running(known: Known, logs: list[_Log]) -> bool:
    if known.exit_code is not None:
        return False
    return time.time() - os.path.getmtime(logs[-1].path) < _RUNNING_S


def _md5(path: str) -> str | None:
    """Return the digest of a file in base64; None where there is none to read."""
    # A device or a pipe, which a stranger's log may name, would be read without an end.
    if file_size(path) is None:
        return None
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
    except OSError:
        return None
    return base64.b64encode(digest.digest()).decode()
