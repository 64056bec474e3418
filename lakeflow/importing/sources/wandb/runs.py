"""What the records of a W&B run say of it. Pure."""

from __future__ import annotations

import contextlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from lakeflow.entities import RunStatus, tag_names
from lakeflow.importing.items import RunItem, made_id
from lakeflow.importing.keys import key_of
from lakeflow.importing.sources import logged_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CLOCKS = frozenset({"_step", "_timestamp", "_runtime", "_wandb"})
"""Keys of a step that say when it was."""

_OWN_ARTIFACTS = ("wandb-", "run_table", "job", "code")
"""Beginnings of types of artifacts that W&B makes of what is among the files anyway."""

# A number of JSON begins so; what Python's JSON calls NaN and Infinity too.
_NUMERIC = frozenset("-0123456789NI")


class Head(NamedTuple):
    """What identifies a run.

    Attributes:
        entity: User or team; mostly empty, since only the server knows it.
        project: Its project.
        run_id: Its id there.
        start_time: When it began.
    """

    entity: str
    project: str
    run_id: str
    start_time: int

    @property
    def id(self) -> str:
        """Its id in the lake."""
        return made_id("wandb", self.entity, self.project, self.run_id)


class Step(NamedTuple):
    """What was logged at once.

    Attributes:
        step: Its step.
        timestamp: Its time.
        numbers: Names and values of metrics.
        others: All else, by its name there.
        renamed: Names there of metrics that a lake calls otherwise.
    """

    step: int
    timestamp: int
    numbers: list[tuple[str, float]]
    others: dict[str, Any]
    renamed: list[str]


class ArtifactFile(NamedTuple):
    """A file of an artifact that the run has made.

    Attributes:
        path: Its path below the run's artifacts.
        local: Where W&B put it on the machine of the run; empty for a reference.
        reference: Where it is, if it is only referred to.
        md5: Its digest, in base64.
        size: Its bytes.
    """

    path: str
    local: str
    reference: str
    md5: str
    size: int


@dataclass
class Known:
    """What is known of a run after all its records.

    Attributes:
        head: What identifies it.
        record: The last record that describes it.
        environment: What is known of program and machine.
        config: Its configuration.
        summary: Its summary.
        counts: Points of each metric.
        last: The last value of each metric.
        renamed: Names of metrics that a lake does not take.
        others: Names of what it has logged that is no number.
        output: Whether there are records of what it has printed.
        artifacts: Files of its artifacts.
        alerts: Alerts that it has sent.
        boards: Folders of TensorBoard that it has followed.
        last_time: When the last thing was logged.
        exit_code: How it ended; None where it did not.
    """

    head: Head
    record: Any
    environment: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    renamed: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    output: bool = False
    artifacts: list[ArtifactFile] = field(default_factory=list)
    alerts: int = 0
    boards: list[str] = field(default_factory=list)
    last_time: int = 0
    exit_code: int | None = None


def head_of(run: Any) -> Head:
    """Return what a run's record says first."""
    return Head(
        run.entity, run.project or "uncategorized", run.run_id, milliseconds(run.start_time)
    )


def milliseconds(time: Any) -> int:
    """Return a protobuf timestamp in milliseconds since the Unix epoch."""
    return int(time.seconds) * 1000 + int(time.nanos) // 1_000_000


def learn(known: Known, record: Any) -> None:
    """Add what a record says of its run."""
    kind = record.WhichOneof("record_type")
    learner = _LEARNERS.get(kind)
    if learner is not None:
        learner(known, getattr(record, kind))


def step_of(history: Any, start_time: int) -> Step:
    """Return what a record of the history has logged.

    Args:
        history: The record.
        start_time: When the run began, for records that say how long after it they are.
    """
    values = _nested(history.item)
    clocks = {key: logged_values.number(values.pop(key, None)) for key in _CLOCKS}
    step, time, ago = clocks["_step"], clocks["_timestamp"], clocks["_runtime"]
    numbers: list[tuple[str, float]] = []
    others: dict[str, Any] = {}
    for name, value in logged_values.leaves(values):
        number = logged_values.number(value)
        if number is not None:
            numbers.append((name, number))
        elif value is not None:
            others[name] = value
    named = [(key_of(name), number) for name, number in numbers]
    if time is None:
        time = start_time / 1000 + (ago or 0)
    return Step(
        _whole(step, history.step.num),
        _whole(time * 1000, start_time),
        named,
        others,
        [name for (name, _), (kept, _) in zip(numbers, named, strict=True) if kept != name],
    )


def sample_of(stats: Any) -> Iterator[tuple[str, float]]:
    """Yield the metrics of one sample of the machine."""
    for item in stats.item:
        number = logged_values.number(_value(item.value_json))
        if number is not None:
            yield key_of(f"system/{item.key}"), number


def run_item(known: Known, files: str, is_running: bool) -> RunItem:
    """Return the run in the terms of a lake.

    Args:
        known: What its records say.
        files: The folder of its files.
        is_running: Whether a run that has not ended may go on.
    """
    head, record = known.head, known.record
    return RunItem(
        run_id=head.id,
        experiment=head.project,
        start_time=head.start_time,
        end_time=None if is_running else max(known.last_time, head.start_time),
        status=RunStatus.to_string(_status(known.exit_code, is_running)),
        name=record.display_name or head.run_id,
        user_id=known.environment.get("username", ""),
        params=logged_values.params(
            {key: value for key, value in known.config.items() if key not in _CLOCKS}
        ),
        tags={**_tags(known), **_summary_tags(known)},
        artifact_uri=files,
    )


def _whole(number: float | None, otherwise: int) -> int:
    if number is None or not math.isfinite(number) or abs(number) >= 2**63:
        return otherwise
    return int(number)


def _status(exit_code: int | None, is_running: bool) -> int:
    if is_running:
        return RunStatus.RUNNING
    if exit_code is None:
        return RunStatus.KILLED
    return RunStatus.FAILED if exit_code else RunStatus.FINISHED


def _tags(known: Known) -> dict[str, str]:
    head, record, environment = known.head, known.record, known.environment
    tags = {
        "wandb.run_id": head.run_id,
        "wandb.entity": head.entity,
        "wandb.group": record.run_group,
        "wandb.job_type": record.job_type,
        "wandb.tags": json.dumps(list(record.tags), ensure_ascii=False) if record.tags else "",
        "wandb.sweep_id": record.sweep_id,
        "wandb.host": record.host,
        "wandb.forked_from": record.branch_point.run,
        tag_names.NOTE: record.notes,
        tag_names.USER: environment.get("username", ""),
        tag_names.SOURCE_NAME: environment.get("program", ""),
        tag_names.GIT_COMMIT: record.git.commit or environment.get("commit", ""),
    }
    return {key: value for key, value in tags.items() if value}


def _summary_tags(known: Known) -> dict[str, str]:
    """Return what the summary says that neither metrics nor files do."""
    return {
        key_of(f"wandb.summary.{name}"): logged_values.text(value)
        for name, value in logged_values.leaves(known.summary)
        if name.split(".")[0] not in _CLOCKS and _is_only_in_summary(known, name, value)
    }


def _is_only_in_summary(known: Known, name: str, value: Any) -> bool:
    number = logged_values.number(value)
    if number is None:
        # The last of several texts is worth a tag. Lists of the history are in a file.
        return isinstance(value, str) or (isinstance(value, list) and name not in known.others)
    # Texts are compared since NaN is the same as NaN here.
    return repr(known.last.get(key_of(name))) != repr(number)


def _learn_run(known: Known, run: Any) -> None:
    known.record = run
    _update(known.config, run.config)
    _update(known.summary, run.summary)


def _learn_config(known: Known, config: Any) -> None:
    _update(known.config, config)


def _learn_summary(known: Known, summary: Any) -> None:
    _update(known.summary, summary)


def _learn_history(known: Known, history: Any) -> None:
    step = step_of(history, known.head.start_time)
    for name, _ in step.numbers:
        known.counts[name] = known.counts.get(name, 0) + 1
    known.last.update(step.numbers)
    known.renamed.update(step.renamed)
    known.others.update(step.others)
    known.last_time = max(known.last_time, step.timestamp)


def _learn_stats(known: Known, stats: Any) -> None:
    for name, _ in sample_of(stats):
        known.counts[name] = known.counts.get(name, 0) + 1
    known.last_time = max(known.last_time, milliseconds(stats.timestamp))


def _learn_output(known: Known, output: Any) -> None:
    known.output = True
    known.last_time = max(known.last_time, milliseconds(output.timestamp))


def _learn_environment(known: Known, environment: Any) -> None:
    found = {
        "username": environment.username,
        "program": environment.program,
        "commit": environment.git.commit,
    }
    known.environment.update({key: value for key, value in found.items() if value})


def _learn_artifact(known: Known, artifact: Any) -> None:
    if artifact.type.startswith(_OWN_ARTIFACTS):
        return
    known.artifacts += [
        ArtifactFile(
            f"artifacts/{artifact.name}/{entry.path}",
            entry.local_path,
            entry.ref,
            entry.digest,
            entry.size,
        )
        for entry in artifact.manifest.contents
    ]


def _learn_alert(known: Known, alert: Any) -> None:
    del alert
    known.alerts += 1


def _learn_board(known: Known, board: Any) -> None:
    known.boards.append(board.log_dir)


def _learn_exit(known: Known, end: Any) -> None:
    known.exit_code = end.exit_code
    known.last_time = max(known.last_time, known.head.start_time + end.runtime * 1000)


_LEARNERS = {
    "run": _learn_run,
    "config": _learn_config,
    "summary": _learn_summary,
    "history": _learn_history,
    "stats": _learn_stats,
    "output": _learn_output,
    "output_raw": _learn_output,
    "environment": _learn_environment,
    "artifact": _learn_artifact,
    "alert": _learn_alert,
    "tbrecord": _learn_board,
    "exit": _learn_exit,
}


def _nested(items: Iterable[Any]) -> dict[str, Any]:
    """Return items as mappings: newer files have a path of keys each, older ones a key."""
    values: dict[str, Any] = {}
    for item in items:
        _put(values, item)
    return values


def _put(values: dict[str, Any], item: Any) -> None:
    *above, key = item.nested_key or (item.key,)
    for each in above:
        inner = values.get(each)
        if not isinstance(inner, dict):
            inner = values[each] = {}
        values = inner
    values[key] = _value(item.value_json)


def _update(values: dict[str, Any], changes: Any) -> None:
    for item in changes.update:
        _put(values, item)
    for item in changes.remove:
        *above, key = item.nested_key or (item.key,)
        at: Any = values
        for each in above:
            at = at.get(each) if isinstance(at, dict) else None
        if isinstance(at, dict):
            at.pop(key, None)


def _value(written: str) -> Any:
    """Return a value of JSON; text that is none stays as it is."""
    # Nearly all are numbers, and this takes a fifth of the time.
    if written[:1] in _NUMERIC:
        with contextlib.suppress(ValueError):
            return float(written) if "." in written or "e" in written else int(written)
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written
