"""A sync brings every record as it is, from the log or from tables, and each once."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from evaluated import evaluate
from measured import measure
from servers import proxy
from syncing.held import held
from traced import log_trace

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.cli import main
from lakeflow.config import Settings
from lakeflow.entities import Dataset, DatasetInput, Metric, RunTag
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, NotFoundError
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.lake import Lake
from lakeflow.lake_file import LAKE_FILE
from lakeflow.log.positions import LOG
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.syncing import bookmark
from lakeflow.syncing.between_lakes import sync_lakes
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Callable

    from servers.s3 import S3Server

SETTINGS = Settings(auto_compact=False, vacuum_grace_s=0, retention_s=0)
_NUMBERS = itertools.count()


def opened(location: str) -> Store:
    return Store(Lake.on(open_filesystem(location), SETTINGS))


@pytest.fixture
def target(tmp_path: Path) -> Store:
    """Return a lake whose experiments have other ids than those of the source."""
    store = opened(f"memory://target-{next(_NUMBERS)}")
    for name in ("theirs", "of nobody", "mine"):
        store.experiments.create(name)
    return store


def fill(uri: str) -> str:
    """Log something of every kind, and change some of it; return a run's id."""
    client = LakeflowClient(uri)
    found = client.get_experiment_by_name("mine")
    experiment = found.experiment_id if found else client.create_experiment("mine")
    run_id = client.create_run(
        experiment, 1_000, {"gone": "x", "größe": "µ"}, "first"
    ).info.run_id
    client.log_batch(
        run_id, [Metric("a", math.nan, 1, 1), Metric("b", 1.0, 1, 1), Metric("a", 2.0, 2, 2)]
    )
    client.log_param(run_id, "p", "0.1")
    client.log_inputs(run_id, [DatasetInput(Dataset("digits", "1a", "local", "/d.csv"), [])])
    client.log_text(run_id, "one", "a/first.txt")
    client.delete_tag(run_id, "gone")
    for step in range(5):
        client.log_metric(run_id, "a", step / 2, step=step)
    client.set_terminated(run_id, "FAILED", 2_000)
    client.delete_run(client.create_run("0").info.run_id)
    measure(uri, run_id)
    log_trace(uri, run_id)
    evaluate(uri, f"set {next(_NUMBERS)}")
    return run_id


def check(source: Store, target: Store) -> None:
    """Compare all that both hold, before a fold of what was brought and after it."""
    mine = held(source)
    assert all(mine.values()), "something in every table"
    assert held(target) == mine
    compact_lake(target.lake)
    assert held(target) == mine


# What is brought


def hot(source: Store, uri: str) -> None:
    fill(uri)


def folded(source: Store, uri: str) -> None:
    """All is in the tables alone."""
    fill(uri)
    LakeflowClient(uri)._store.lake.seal()
    compact_lake(source.lake)


def mixed(source: Store, uri: str) -> None:
    """Of each thing some is in the tables alone, and some in the log."""
    folded(source, uri)
    fill(uri)


@pytest.mark.parametrize("how", [hot, folded, mixed])
def test_a_sync_brings_every_table_as_it_is(
    tmp_path: Path, target: Store, how: Callable[[Store, str], None]
) -> None:
    uri = str(tmp_path / "lake")
    source = opened(uri)
    how(source, uri)
    report = sync_lakes(source, target)
    assert report.is_complete
    assert (report.records > 0) == (how is not folded)
    assert (report.stored > 0) == (how is not hot)
    check(source, target)
    again = sync_lakes(source, target)
    assert (again.records, again.stored, again.files) == (0, 0, 0)
    fill(uri)
    compact_lake(source.lake)
    later = sync_lakes(source, target)
    assert later.is_complete
    check(source, target)
    target.lake.fs.delete(bookmark.path_of(source.lake.file.lake_id))
    assert sync_lakes(source, target).is_complete
    check(source, target)


def test_files_come_to_the_same_places_and_only_where_they_differ(
    uri: str, target: Store, tmp_path: Path
) -> None:
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "one", "a.txt")
    client.log_text(run_id, "two", "b/ü.txt")
    source = opened(uri)
    assert sync_lakes(source, target).files == 2
    client.log_text(run_id, "eno", "a.txt")
    client.log_text(run_id, "two", "b/ü.txt")
    again = sync_lakes(source, target)
    assert (again.is_complete, again.files) == (True, 2 if not target.lake.fs.can_append else 1)
    theirs = LakeflowClient(target.lake.fs.uri)
    assert [each.path for each in theirs.list_artifacts(run_id)] == ["a.txt", "b"]
    there = Path(theirs.download_artifacts(run_id, "", str(tmp_path)))
    assert (there / "a.txt").read_text() == "eno"
    assert (there / "b" / "ü.txt").read_text() == "two"
    client.log_text(run_id, "three", "c.txt")
    source.lake.fs.delete(f"artifacts/0/{run_id}/artifacts/c.txt")
    lost = sync_lakes(source, target)
    assert not lost.is_complete
    assert [each.endswith("c.txt is not there") for each in lost.problems] == [True]
    assert sync_lakes(source, target).records == 0, "what cannot be brought is said once"


@pytest.mark.parametrize("is_folded", [False, True])
def test_files_of_a_logged_model_come_with_what_is_recorded_of_them(
    uri: str, target: Store, *, is_folded: bool
) -> None:
    source = opened(uri)
    model_id = measure(uri, source.runs.create("0").info.run_id)
    if is_folded:
        lakeflow.compact(uri)
    assert sync_lakes(source, target).files == 1
    here, there = (store.model_files for store in (source, target))
    assert there.recorded(model_id) == here.recorded(model_id)
    place = there.folder(model_id)
    assert place.fs.read(place.full("weights.bin")) == b"1234"


def test_experiments_are_one_by_name_and_later_tags_win_in_both(
    uri: str, target: Store
) -> None:
    source = opened(uri)
    mine = source.experiments.create("theirs", "/elsewhere", {"a": "1", "b": "1"})
    theirs = target.experiments.named("theirs").experiment_id
    target.experiments.set_tags(theirs, {"b": "2", "c": "2"})
    sync_lakes(source, target)
    assert target.experiments.get(theirs).tags == {"a": "1", "b": "2", "c": "2"}
    sync_lakes(target, source)
    assert source.experiments.get(mine).tags == {"a": "1", "b": "2", "c": "2"}
    source.experiments.delete_tag(mine, "a")
    source.experiments.rename(mine, "with another name")
    source.delete_experiment(mine)
    sync_lakes(source, target)
    there = target.experiments.get(theirs)
    assert (there.name, there.lifecycle_stage) == ("theirs", "deleted")
    assert there.tags == {"b": "2", "c": "2"}
    before = target.control.known() and target.control.last
    sync_lakes(source, target)
    sync_lakes(target, source)
    target.control.known()
    assert target.control.last == before, "nothing new is no event"


@pytest.mark.parametrize("in_tables", [(), ("theirs",), ("mine", "theirs")])
@pytest.mark.parametrize("order", [("mine", "theirs"), ("theirs", "mine")])
def test_the_later_of_two_files_at_one_path_stays_in_both(
    tmp_path: Path, in_tables: tuple[str, ...], order: tuple[str, str]
) -> None:
    uris = {name: str(tmp_path / name) for name in ("mine", "theirs")}
    run_id = LakeflowClient(uris["mine"]).create_run("0").info.run_id
    sync_lakes(opened(uris["mine"]), opened(uris["theirs"]))
    for name, text in (("mine", "early"), ("theirs", "later on")):
        client = LakeflowClient(uris[name])
        client.log_text(run_id, text, "a.txt")
        # The time at which a file was logged counts milliseconds.
        time.sleep(0.002)
        if name in in_tables:
            client._store.lake.seal()
            compact_lake(opened(uris[name]).lake)
    first, second = (opened(uris[name]) for name in order)
    for _ in range(2):
        assert sync_lakes(first, second).is_complete
        assert sync_lakes(second, first).is_complete
    for number in range(2):
        for name, uri in uris.items():
            client = LakeflowClient(uri)
            (known,) = client._store.artifacts.recorded(run_id).values()
            assert known.size == len("later on")
            to = tmp_path / f"{name}-{number}"
            to.mkdir()
            # What is fetched is compared with what is recorded of it.
            there = Path(client.download_artifacts(run_id, "a.txt", str(to)))
            assert there.read_text() == "later on"
            compact_lake(opened(uri).lake)


def test_what_experiments_have_in_the_control_log_is_one_by_name(
    uri: str, target: Store
) -> None:
    LakeflowClient(uri).create_run("0")
    source = opened(uri)
    # The numbers of scorers are those of a lake, and its own ids of what has the same name.
    theirs = target.experiments.named("theirs").experiment_id
    target.scorers.register(theirs, "of nobody", "{}")
    target.label_schemas.create("0", "judge", "feedback", ("text", {}))
    evaluate(uri, "judge")
    assert sync_lakes(source, target).is_complete

    def said(store: Store) -> tuple[object, ...]:
        queue = store.review_queues.find("0", "judge")
        assert queue is not None
        items = store.review_queues.items.page(queue.queue_id)
        (asked,) = queue.schema_ids
        return (
            [
                (each.scorer_version, each.serialized_scorer)
                for each in store.scorers.versions("0", "judge")
            ],
            store.label_schemas.get(asked).name,
            (queue.queue_id, queue.queue_type, queue.users),
            [(each.item_id, each.status, each.completed_by) for each in items],
        )

    assert said(target) == said(source)
    source.scorers.register("0", "judge", '{"n": 3}')
    queue_id = target.review_queues.find("0", "judge").queue_id
    target.review_queues.items.set_status(queue_id, "tr-2", "declined", "you")
    target.review_queues.items.set_status(queue_id, "tr-1", "pending")
    for _ in range(2):
        assert sync_lakes(target, source).is_complete
        assert sync_lakes(source, target).is_complete
    assert said(target) == said(source)
    assert said(source)[0][-1] == (3, '{"n": 3}')
    assert {each[1] for each in said(source)[3]} == {"pending", "declined"}
    before = target.control.known() and target.control.last
    assert sync_lakes(source, target).is_complete
    target.control.known()
    assert target.control.last == before, "nothing new is no event"


@pytest.mark.parametrize("folds", [True, False])
def test_what_was_deleted_of_them_is_in_no_lake(
    uri: str, target: Store, *, folds: bool
) -> None:
    LakeflowClient(uri).create_run("0")
    source = opened(uri)
    target.scorers.register("0", "another", "{}")
    evaluate(uri, "judge")
    source.scorers.register("0", "gone on both sides", "{}")
    assert sync_lakes(source, target).is_complete
    if folds:
        compact_lake(source.lake)
        compact_lake(target.lake)
    for store in (source, target):
        store.scorers.delete("0", "gone on both sides")
    source.scorers.delete("0", "judge")
    schema = source.label_schemas.find("0", "judge")
    source.label_schemas.delete(schema.schema_id)
    target.review_queues.delete(target.review_queues.find("0", "judge").queue_id)
    for _ in range(2):
        if folds:
            compact_lake(source.lake)
            compact_lake(target.lake)
        assert sync_lakes(target, source).is_complete
        assert sync_lakes(source, target).is_complete
    for store in (source, target):
        assert [each.scorer_name for each in store.scorers.latest("0")] == ["another"]
        assert store.label_schemas.find("0", "judge") is None
        assert store.review_queues.find("0", "judge") is None
    before = target.control.last
    assert sync_lakes(source, target).is_complete
    target.control.known()
    assert target.control.last == before, "nothing new is no event"
    # A name that was given up is free.
    target.label_schemas.create("0", "judge", "feedback", ("text", {}))
    target.scorers.register("0", "judge", '{"n": 4}')
    assert sync_lakes(target, source).is_complete
    assert source.label_schemas.find("0", "judge") is not None
    (judge,) = source.scorers.versions("0", "judge")
    assert (judge.scorer_version, judge.serialized_scorer) == (1, '{"n": 4}')


# At the same time, and killed


def run_command(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "lakeflow", *words], stdout=subprocess.DEVNULL
    )


def test_processes_that_sync_at_once_and_are_killed_bring_each_point_once(
    tmp_path: Path,
) -> None:
    mine, theirs = str(tmp_path / "mine"), str(tmp_path / "theirs")
    client = LakeflowClient(mine)
    run_id = client.create_run("0").info.run_id
    logged = 0
    for _ in range(3):
        for _ in range(300):
            client.log_metric(run_id, "loss", logged, logged, logged)
            logged += 1
        syncing = [run_command("sync", mine, theirs) for _ in range(3)]
        time.sleep(0.4)
        syncing[0].send_signal(signal.SIGKILL)
        assert [each.wait(60) for each in syncing][1:] == [0, 0]
        lakeflow.compact(mine)
    there = LakeflowClient(theirs)
    assert [p.step for p in there.get_metric_history(run_id, "loss")] == [*range(logged)]
    lakeflow.compact(theirs)
    assert [p.step for p in there.get_metric_history(run_id, "loss")] == [*range(logged)]


def test_a_command_goes_on_until_it_is_interrupted(tmp_path: Path) -> None:
    mine, theirs = str(tmp_path / "mine"), str(tmp_path / "theirs")
    syncing = run_command("sync", mine, theirs, "--every", "0.2s")
    try:
        time.sleep(0.5)
        client = LakeflowClient(mine)
        run_id = client.create_run("0").info.run_id
        client.log_metric(run_id, "loss", 1.0)
        for _ in range(300):
            time.sleep(0.1)
            with_it = Path(theirs, LOG).is_dir() and any(
                b'"metrics"' in each.read_bytes() for each in Path(theirs, LOG).rglob("*.jsonl")
            )
            if with_it:
                break
        assert LakeflowClient(theirs).get_run(run_id).data.metrics == {"loss": 1.0}
    finally:
        syncing.send_signal(signal.SIGINT)
        assert syncing.wait(60) == 130


# What is refused, and what it costs


def test_what_is_no_pair_of_lakes_is_refused(uri: str, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="there is no lake"):
        lakeflow.sync(uri, tmp_path / "target")
    LakeflowClient(uri).create_run("0")
    with pytest.raises(InvalidInputError, match="one lake"):
        lakeflow.sync(uri, uri)
    lakeflow.copy(uri, tmp_path / "copy")
    with pytest.raises(InvalidInputError, match="one lake, or copies of one"):
        lakeflow.sync(uri, tmp_path / "copy")


def test_lines_of_others_are_brought_if_they_are_records(uri: str, target: Store) -> None:
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    source = opened(uri)
    about = {"experiment_id": "0", "run_id": run_id}
    tags = {"key": ["a"], "value": ["1"]}
    lines = [
        json.dumps({"seq": 1, "clock": 2, **about, "tags": tags}),
        json.dumps({"clock": 3, "seq": 2, **about, "tags": {"key": ["b"], "value": ["2"]}}),
        json.dumps({"seq": 3, "clock": 4, **about | {"experiment_id": "77"}, "tags": tags}),
        "no record",
    ]
    source.lake.fs.create(f"{LOG}/stranger/00000001.jsonl", "\n".join([*lines, ""]).encode())
    report = sync_lakes(source, target)
    assert (report.left, report.is_complete) == (2, False)
    tags = target.runs.get(run_id).data.tags
    assert (tags["a"], tags["b"]) == ("1", "2")


def test_a_bookmark_of_others_costs_work_and_nothing_else(uri: str, target: Store) -> None:
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 1.0)
    source = opened(uri)
    path = bookmark.path_of(source.lake.file.lake_id)
    for content in (b"", b"[]", b"{", b'{"reached":{"../x":[1,1]},"fold":"x"}'):
        target.lake.fs.put(path, content)
        assert sync_lakes(source, target).records == 2
    assert len(target.runs.history(run_id, "loss")) == 1


@pytest.mark.parametrize("lake_id", ["../theirs", ".hidden", "a/b", ""])
def test_an_id_that_leads_elsewhere_is_damage(tmp_path: Path, lake_id: str) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    LakeflowClient(str(mine)).create_run("0")
    said = json.loads((mine / LAKE_FILE).read_text())
    (mine / LAKE_FILE).write_text(json.dumps({**said, "lake_id": lake_id}))
    with pytest.raises(DamagedLakeError, match="says that its id is"):
        sync_lakes(opened(str(mine)), opened(str(theirs)))
    assert not [*tmp_path.rglob("*theirs*.json"), *theirs.rglob("sync/*")]


def test_nothing_new_costs_few_requests(double: S3Server, tmp_path: Path) -> None:
    double.make_bucket("synced")
    mine = str(tmp_path / "mine")
    fill(mine)
    source = opened(mine)
    compact_lake(source.lake)
    with proxy.Proxy(double.port) as counted:
        options = double.through(counted.endpoint_url).storage_options
        location = f"s3://synced/{tmp_path.name}"

        def there() -> Store:
            fs = open_filesystem(location, options, SETTINGS)
            return Store(Lake.on(fs, SETTINGS))

        sync_lakes(source, there())
        compact_lake(there().lake)
        counted.clear()
        report = sync_lakes(source, there())
        spent = Counter(request.method for request in counted.requests)
        assert (report.records, report.stored) == (0, 0)
        assert spent.total() <= 12, spent
        LakeflowClient(mine).create_run("0")
        counted.clear()
        assert sync_lakes(source, there()).records == 1
        spent = Counter(request.method for request in counted.requests)
        assert spent.total() <= 16, spent
        assert spent["PUT"] == 2, "the copies, and the bookmark"


def test_the_command_says_what_it_has_brought(
    uri: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "one", "a.txt")
    target = str(tmp_path / "target")
    assert main(["sync", uri, target, "--no-artifacts"]) == 0
    assert capsys.readouterr().out == "brought 2 records, 0 files (0 bytes)\n"
    assert main(["sync", uri, target]) == 0
    client.log_text(run_id, "two", "b.txt")
    opened(uri).lake.fs.delete(f"artifacts/0/{run_id}/artifacts/b.txt")
    assert main(["sync", uri, target]) == 1
    said = capsys.readouterr()
    assert "1 things could not be brought as they are" in said.out
    assert "b.txt is not there" in said.err


def test_models_are_one_by_name_and_keep_their_numbers(uri: str, target: Store) -> None:
    client = LakeflowClient(uri)
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "weights", "net/weights.bin")
    client.create_registered_model("digits", {"team": "a"}, "text")
    for _ in range(3):
        client.create_model_version("digits", f"runs:/{run_id}/net", run_id, {"n": "1"})
    client.set_registered_model_alias("digits", "champion", 2)
    client.transition_model_version_stage("digits", 3, "Staging")
    client.delete_model_version("digits", 1)
    theirs = LakeflowClient(target.lake.fs.uri)
    theirs.create_registered_model("others")
    assert sync_lakes(opened(uri), target).is_complete
    there = theirs.get_registered_model("digits")
    assert (there.description, there.tags, there.aliases) == (
        "text",
        {"team": "a"},
        {"champion": 2},
    )
    assert [each.version for each in theirs.search_model_versions("name = 'digits'")] == [3, 2]
    mine, brought = client.get_model_version("digits", 2), theirs.get_model_version("digits", 2)
    assert (brought.creation_timestamp, brought.run_id) == (mine.creation_timestamp, run_id)
    at = client.get_model_version_download_uri("digits", 2)
    assert theirs.get_model_version_download_uri("digits", 2) == at.replace(
        canonical(uri), target.lake.fs.uri
    )
    assert [each.version for each in theirs.get_latest_versions("digits", ["Staging"])] == [3]
    assert theirs.create_model_version("digits", "/elsewhere").version == 4
    client.create_model_version("digits", f"runs:/{run_id}/net", run_id)
    again = sync_lakes(opened(uri), target)
    assert "version 4" in again.problems[0]
    assert theirs.get_model_version("digits", 4).source == "/elsewhere"


def test_a_sync_that_is_killed_knows_how_far_each_writer_was_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeflow.syncing.between_lakes._BOOKMARK_EVERY_S", 0.0)
    uri = str(tmp_path / "lake")
    settings = Settings(auto_compact=False, segment_bytes=9 * 2**20)
    source = Store(Lake.on(open_filesystem(uri), settings))
    run_id = source.runs.create("0").info.run_id
    # Segments that are read in parts, and a last one that is short.
    for step in range(23):
        source.runs.log_batch(
            run_id, [Metric("a", step, 1, step)], [], [RunTag(f"t{step}", "x" * 10**6)]
        )
    source.lake.seal()
    for write in itertools.count(1):
        target = f"memory://killed-{next(_NUMBERS)}"
        fs = FaultFilesystem(open_filesystem(target), Fault(write, "after"))
        with contextlib.suppress(Killed):
            sync_lakes(source, Store(Lake.on(fs, SETTINGS)))
        there = opened(target)
        sync_lakes(source, there)
        assert [point.step for point in there.runs.history(run_id, "a")] == [*range(23)]
        assert sync_lakes(source, there).records == 0
        if not fs.is_dead:
            break
    assert write > 5


def test_a_sync_that_stops_before_the_models_brings_them_the_next_time(
    uri: str, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeflow.syncing.between_lakes._BOOKMARK_EVERY_S", 0.0)
    client = LakeflowClient(uri)
    client.create_run("0")
    client.create_registered_model("digits")
    bring = "lakeflow.syncing.between_lakes.bring_models"
    with monkeypatch.context() as stopped:
        stopped.setattr(bring, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            sync_lakes(opened(uri), target)
    assert sync_lakes(opened(uri), target).records == 0
    assert LakeflowClient(target.lake.fs.uri).get_registered_model("digits").name == "digits"


@pytest.mark.parametrize("folded", ["no lake", "the target", "the source", "both"])
def test_an_experiment_that_was_removed_is_a_new_one_without_what_was_in_it(
    uri: str, target: Store, folded: str
) -> None:
    client = LakeflowClient(uri)
    experiment = client.create_experiment("late")
    run_id = client.create_run(experiment).info.run_id
    source = opened(uri)
    sync_lakes(source, target)
    first = target.experiments.named("late").experiment_id
    target.delete_experiment(first)
    target.removals.experiment(first)
    if folded in {"the target", "both"}:
        compact_lake(target.lake)
    other = client.create_run(experiment).info.run_id
    # What is logged on does not bring it back either.
    client.set_tag(run_id, "a", "b")
    if folded in {"the source", "both"}:
        source.lake.seal()
        compact_lake(source.lake)
    sync_lakes(source, target)
    sync_lakes(target, source)
    found = target.experiments.named("late")
    for _ in range(2):
        assert target.runs.get(other).info.experiment_id == found.experiment_id != first
        assert source.runs.get(other).info.experiment_id == experiment
        for store in (source, target):
            with pytest.raises(NotFoundError):
                store.runs.get(run_id)
            compact_lake(store.lake)


def test_a_segment_that_grew_and_went_since_the_last_sync_is_read_out_of_the_tables(
    uri: str, target: Store
) -> None:
    client = LakeflowClient(uri)
    client.create_run("0")
    source = opened(uri)
    sync_lakes(source, target)
    run_id = source.runs.create("0").info.run_id
    client.set_tag(run_id, "a", "b")
    for lake in (client._store.lake, source.lake):
        lake.seal()
    source.runs.set_tag(run_id, "c", "d")
    client.set_tag(run_id, "e", "f")
    compact_lake(source.lake)
    sync_lakes(source, target)
    tags = target.runs.get(run_id).data.tags
    assert [tags.get(each) for each in "ace"] == ["b", "d", "f"]


def test_a_removed_record_of_a_dataset_stays_removed_when_it_comes_again(
    uri: str, target: Store
) -> None:
    client = LakeflowClient(uri)
    dataset = client.create_dataset("questions")
    client.merge_dataset_records(
        dataset.dataset_id, [{"inputs": {"q": number}} for number in range(2)]
    )
    source = opened(uri)
    sync_lakes(source, target)
    datasets = target.evaluation_datasets
    gone, kept = (each.dataset_record_id for each in datasets.load(dataset.dataset_id))
    datasets.delete_records(dataset.dataset_id, [gone])
    compact_lake(target.lake)
    target.lake.fs.delete(bookmark.path_of(source.lake.file.lake_id))
    sync_lakes(source, target)
    for store, other in ((target, source), (source, target)):
        for _ in range(2):
            found = store.evaluation_datasets.load(dataset.dataset_id)
            assert [each.dataset_record_id for each in found] == [kept]
            compact_lake(store.lake)
        sync_lakes(store, other)
    # Merged in again it is there again.
    client.merge_dataset_records(dataset.dataset_id, [{"inputs": {"q": 0}}])
    sync_lakes(source, target)
    found = datasets.load(dataset.dataset_id)
    assert [each.dataset_record_id for each in found] == [kept, gone]
