"""A folder of TensorBoard's event files as an experiment."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow import temporary
from lakeflow.entities import RunStatus, tag_names, validation
from lakeflow.importing.items import Curve, ExperimentItem, FileItem, Problem, RunItem, made_id
from lakeflow.importing.keys import keys_of
from lakeflow.importing.sources.spilling import spilling
from lakeflow.importing.sources.tabular.files import InputFile, found
from lakeflow.importing.sources.tensorboard import point_files
from lakeflow.importing.sources.tensorboard.event_files import (
    begun,
    event_at,
    events,
    is_event_file,
    require_tensorboard,
)
from lakeflow.importing.sources.tensorboard.event_values import (
    image_files,
    milliseconds,
    param,
    plugin_of,
    scalar,
    text,
    text_file,
    value_of,
)
from lakeflow.printable import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

_ROOT = "."
"""What TensorBoard calls the run whose files are in the folder itself."""

_LONGEST_TAG = 5_000
"""Characters of a text up to which it is a tag; MLflow's limit."""

_BROKEN = (ValueError, IndexError, TypeError)
"""What a tensor of another shape or kind raises, or a message that is none."""

_BROKEN_IMAGE = (OSError, SyntaxError, ValueError, IndexError)
"""What Pillow raises, and a tensor without an image."""

_STATUSES = {2: RunStatus.FAILED, 3: RunStatus.RUNNING}
"""TensorBoard's numbers of how a session ended; any other is taken for success."""

_RUN = "tensorboard.run"
"""Tag of what TensorBoard calls a run."""

_GROUP = "tensorboard.group"
"""Tag of the group that the hparams plugin has a run in."""


class _Place(NamedTuple):
    """Where an image, or a text that is a file, is found again.

    Attributes:
        file: Number of its event file.
        offset: Where its event begins there.
        tag: Its tag.
    """

    file: int
    offset: int
    tag: str


@dataclass(slots=True)
class _Found:
    """What the events of a run hold, without the points; times in milliseconds, or 0."""

    first: int = 0
    last: int = 0
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    status: int = RunStatus.FINISHED
    plugins: dict[str, str] = field(default_factory=dict)
    images: list[_Place] = field(default_factory=list)
    texts: dict[str, list[_Place]] = field(default_factory=dict)
    first_texts: dict[str, str] = field(default_factory=dict)
    left_out: Counter[str] = field(default_factory=Counter)


class TensorBoardSource:
    """A folder that TensorBoard shows: each folder below it with event files is a run.

    Args:
        location: The folder; a path of this machine or a URL.
        experiment: The name of the experiment.

    Attributes:
        name: What it is, for people.

    Raises:
        InvalidInputError: TensorBoard is not installed, or that is no name.
    """

    def __init__(self, location: str, experiment: str) -> None:
        require_tensorboard()
        validation.experiment_name(experiment)
        self.name = f"TensorBoard's event files in {without_password(location)}"
        self._location = location
        self._experiment = experiment
        self._report: Callable[[Problem], None] = lambda _: None
        self._folder, self._owner = temporary.make("import"), os.getpid()
        self._by_run: dict[str, list[InputFile]] = {}
        self._files: dict[str, list[InputFile]] = {}
        self._renamed: set[str] = set()

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self._report = report

    def close(self) -> None:
        """Delete what was spilled, and the images that were taken out."""
        temporary.remove(self._folder, self._owner)

    def experiments(self) -> Iterator[ExperimentItem]:
        """Yield the one that everything goes to.

        Raises:
            NotFoundError: There is no event file.
            StorageError: The folder cannot be listed.
        """
        self._by_run = {}
        for file in found(self._location, is_event_file, self._report):
            self._by_run.setdefault(file.path.rpartition("/")[0] or _ROOT, []).append(file)
        yield ExperimentItem(key=self._experiment, name=self._experiment)

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        """Yield the runs in order of their names.

        Raises:
            StorageError: The store of the files, or the disk for what is spilled, fails.
        """
        left_out: dict[str, Counter[str]] = {}
        for name, files in sorted(self._by_run.items()):
            run_id = made_id("tensorboard", self._experiment, name)
            self._files[run_id] = self._in_order(files)
            known = self._read(run_id)
            for what, count in known.left_out.items():
                left_out.setdefault(what, Counter())[name] = count
            yield self._run(run_id, name, known)
        for what, counts in left_out.items():
            why = f"left out are {counts.total():,}, for which a lake has no place"
            self._report(Problem(f"{what} of {len(counts):,} runs, such as {min(counts)}", why))

    def curves(self, run: RunItem) -> Iterator[Curve]:
        """Yield the scalars of a run, tag by tag."""
        path = self._spilled(run.run_id)
        keys = keys_of(point_files.counts(path))
        for tag, points in point_files.points(path):
            values, timestamps, steps = points
            yield Curve(keys[tag], values.tolist(), timestamps.tolist(), steps.tolist())

    def counts(self, run: RunItem) -> dict[str, int]:
        """Return how many points each metric of a run has."""
        counts = point_files.counts(self._spilled(run.run_id))
        keys = keys_of(counts)
        return {keys[tag]: count for tag, count in counts.items()}

    def files(self, run: RunItem) -> Iterator[FileItem]:
        """Yield images, and the texts that are no tags; each is taken out of its event file."""
        folder = os.path.join(self._folder, f"{run.run_id}.files")
        files = self._files[run.run_id]
        images, texts = point_files.other(self._spilled(run.run_id))
        taken: Counter[str] = Counter()
        for file, offset, tag in images:
            event = event_at(files[file], offset)
            try:
                made = [*image_files(event, tag, taken)]
            except _BROKEN_IMAGE as error:
                why = f"has a broken image of {tag!r} at step {event.step}: {error}"
                self._report(Problem(files[file].location, why))
                continue
            for path, data in made:
                yield _written(folder, path, data, event.wall_time)
        for file, offset, tag in texts:
            event = event_at(files[file], offset)
            path = text_file(tag, event.step, taken)
            data = text(value_of(event, tag)).encode()
            yield _written(folder, path, data, event.wall_time)

    # Reading a run

    def _spilled(self, run_id: str) -> str:
        return os.path.join(self._folder, run_id)

    def _in_order(self, files: Sequence[InputFile]) -> list[InputFile]:
        """Return files in the order in which they were begun, without the empty ones."""
        for file in files:
            if not file.size:
                self._report(Problem(file.location, "is empty", is_loss=False))
        full = [(begun(file), file.path, file) for file in files if file.size]
        return [file for *_, file in sorted(full, key=lambda each: each[:2])]

    def _read(self, run_id: str) -> _Found:
        """Read all event files of a run, and spill its points."""
        known = _Found()
        writer = point_files.PointWriter(self._spilled(run_id))
        for number, file in enumerate(self._files[run_id]):
            for event, offset in events(file, self._complaint(file)):
                time = milliseconds(event.wall_time)
                # Where one of the two is 0, it is no time, and the other one counts.
                known.first = min(time or known.first, known.first or time)
                known.last = max(time, known.last)
                if event.HasField("graph_def"):
                    known.left_out["graphs"] += 1
                for value in event.summary.value:
                    try:
                        point = _take(value, known, _Place(number, offset, value.tag))
                    except _BROKEN as error:
                        self._complaint(file)(f"has a broken value of {value.tag!r}: {error}")
                        continue
                    if point is not None:
                        # Steps that a restart logs again stay; TensorBoard hides the first.
                        writer.add(value.tag, point, time, event.step)
        writer.close([known.images, self._settle_texts(known)])
        return known

    def _complaint(self, file: InputFile) -> Callable[[str], None]:
        return lambda why: self._report(Problem(file.location, why))

    def _settle_texts(self, known: _Found) -> list[_Place]:
        """Make tags of texts that are short and written once; return the others."""
        keys = self._keys(known.texts)
        others: list[_Place] = []
        for tag, places in known.texts.items():
            first = known.first_texts[tag]
            if len(places) == 1 and len(first) <= _LONGEST_TAG:
                # tensorboardX, and PyTorch after it, write that behind the name that was given.
                known.tags[keys[tag].removesuffix("/text_summary")] = first
            else:
                others += places
        return others

    def _keys(self, tags: Iterable[str]) -> dict[str, str]:
        """Return the key of each tag; of those that are changed it is told once."""
        keys = keys_of(tags)
        for tag, key in keys.items():
            if tag != key and tag not in self._renamed:
                self._renamed.add(tag)
                why = f"is called {key!r}: a name has other characters, or is shorter"
                self._report(Problem(f"the tag {tag!r}", why, is_loss=False))
        return keys

    def _run(self, run_id: str, name: str, known: _Found) -> RunItem:
        self._keys(point_files.counts(self._spilled(run_id)))
        modified = max((file.modified_ms for file in self._files[run_id]), default=0)
        keys = self._keys(known.params)
        known.tags[_RUN] = name
        if known.images:
            known.tags[tag_names.LOGGED_IMAGES] = str(True)
        return RunItem(
            run_id,
            self._experiment,
            start_time=known.first or modified,
            end_time=known.last or modified,
            status=RunStatus.to_string(known.status),
            name=name,
            params={keys[param]: value for param, value in known.params.items()},
            tags=known.tags,
        )


def _take(value: Any, known: _Found, at: _Place) -> float | None:
    """Return the number of a scalar; remember what else a value is."""
    plugin = plugin_of(value, known.plugins)
    if plugin == "scalars":
        return scalar(value)
    if plugin == "hparams":
        _take_hparams(value.metadata.plugin_data.content, known)
    elif plugin == "images":
        # Where it is, and not what: it is taken out of its file when it is copied.
        known.images.append(at)
    elif plugin == "text":
        # One character more tells that it is too long.
        known.first_texts.setdefault(value.tag, text(value)[: _LONGEST_TAG + 1])
        known.texts.setdefault(value.tag, []).append(at)
    else:
        known.left_out[plugin] += 1
    return None


def _take_hparams(content: bytes, known: _Found) -> None:
    """Read what the hparams plugin says of a run: how it began, or how it ended."""
    from google.protobuf.message import DecodeError
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    try:
        message = HParamsPluginData.FromString(content)
    except DecodeError as error:
        raise ValueError(error) from error
    if message.HasField("session_start_info"):
        start = message.session_start_info
        # A map of messages has another order each time.
        hparams = sorted(start.hparams.items())
        known.params |= {name: param(value) for name, value in hparams}
        if start.group_name:
            known.tags[_GROUP] = start.group_name
    elif message.HasField("session_end_info"):
        known.status = _STATUSES.get(message.session_end_info.status, RunStatus.FINISHED)


def _written(folder: str, path: str, data: bytes, time: float) -> FileItem:
    location = os.path.join(folder, path)
    with spilling(location):
        os.makedirs(os.path.dirname(location), exist_ok=True)
        with open(location, "wb") as file:
            file.write(data)
    # A later import sees by it that the file is the one that it has already.
    seconds = milliseconds(time) / 1000
    os.utime(location, (seconds, seconds))
    return FileItem(path, location, len(data))
