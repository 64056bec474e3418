"""Opening lakes: good ones, strange ones, damaged ones; nothing is overwritten."""

from __future__ import annotations

import json
import pickle
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

import lakeflow
from lakeflow import LakeflowClient, context
from lakeflow.config import Settings
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    InvalidStateError,
    LakeflowException,
    NotFoundError,
    StorageError,
)
from lakeflow.filesystem.location import canonical, open_filesystem
from lakeflow.lake import Lake
from lakeflow.log.positions import CONTROL
from lakeflow.maintenance.compact import compact_lake
from lakeflow.open_lakes import open_lake
from lakeflow.queries import setup

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.stores.store import Store


@pytest.mark.parametrize(
    "spelling",
    [
        "{0}",
        "file://{0}",
        "lakeflow://{0}",
        "lakeflow+file://{0}",
        "{0}/",
        "lakeflow:{0}",
        "FILE://{0}",
        "Lakeflow+File:{0}",
        "file://localhost{0}",
    ],
)
def test_every_spelling_of_a_location_is_the_same_lake(tmp_path: Path, spelling: str) -> None:
    run = LakeflowClient(tmp_path / "lake").create_run("0")
    again = LakeflowClient(spelling.format(tmp_path / "lake"))
    assert again.get_run(run.info.run_id) == run
    assert again.tracking_uri == str(tmp_path / "lake")


@pytest.mark.parametrize(
    "location",
    [
        "",
        "  ",
        "a\0b",
        "a\nb",
        "/tmp/a%20b",
        "/tmp/a\\b",
        "/tmp/a\tb",
        "file:///tmp/a%09b",
        "file:///tmp/a%ffb",
        "file://~/lake",
        "sftp://host/a?b",
        "az://container/a?b#c",
        "HTTP://localhost:5000",
        "file://host/x",
        "lakeflow://x",
        "nope://x",
        "http://localhost:5000",
        "databricks",
        "databricks://profile",
        "sqlite:///mlflow.db",
        "postgresql+psycopg2://user:secret@host/db",
    ],
)
def test_what_is_no_location_is_refused(location: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        open_lake(location)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["it's a [lake] % ünï * ? $x", "run_id=5", "key=1", "date=2024-01-01", "a b"]
)
def test_a_location_with_odd_characters_works(tmp_path: Path, name: str) -> None:
    lake = tmp_path / name / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 1)
    lakeflow.compact(lake)
    client.log_metric(run_id, "loss", 2, step=1)
    lakeflow.compact(lake)
    assert [m.value for m in client.get_metric_history(run_id, "loss")] == [1, 2]
    assert client.get_run(run_id).data.metrics == {"loss": 2}


@pytest.mark.parametrize(
    "name", ["a#1", "a?b=c", "100%", "~", "a;b", "é𠮷", "a+b", " a ", "a:b"]
)
@pytest.mark.parametrize("spelling", ["{0}/{1}", "file://{0}/{1}", "file:{0}/{1}"])
def test_a_location_keeps_every_character(name: str, spelling: str) -> None:
    assert canonical(spelling.format("/lakes", name)) == f"/lakes/{name}"
    assert canonical(f"S3://team/{name}") == f"s3://team/{name}"


@pytest.mark.parametrize("text", [" /x", "'/x'", '"s3://team/x"', "\u00a0lake"])
def test_a_location_that_begins_with_a_blank_or_a_quote_is_refused(text: str) -> None:
    for place in (canonical, lakeflow.set_tracking_uri, LakeflowClient):
        with pytest.raises(InvalidInputError, match="begins with a blank or a quote"):
            place(text)
    assert canonical(f"./{text}").endswith(text)


@pytest.mark.parametrize(
    "text", ["s3://", "gs:///", "lakeflow+s3://", "lakeflow+s3:/x", "lakeflow+/x"]
)
def test_a_url_that_names_no_bucket_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"Hint: write \w+(\+s3)?://"):
        canonical(text)


def test_the_root_of_the_disk_is_no_lake() -> None:
    with pytest.raises(InvalidInputError, match="/ is not a lake and not empty"):
        LakeflowClient("/").create_experiment("e")


def test_a_location_in_bytes_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="is not a text"):
        lakeflow.set_tracking_uri(b"/x")  # type: ignore[arg-type]


def test_a_tilde_is_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert canonical("~/lake") == canonical(Path("~/lake")) == f"{tmp_path}/lake"
    assert canonical("~") == str(tmp_path)


def test_a_folder_whose_name_is_a_pattern_is_not_read_for_another(tmp_path: Path) -> None:
    for name, other in (("g[1]", "g1"), ("g*", "gone"), ("g?", "gx")):
        uri = tmp_path / name
        client = LakeflowClient(uri)
        run_id = client.create_run("0").info.run_id
        client.log_metric(run_id, "m", float("nan"))
        lakeflow.compact(uri)
        client.log_metric(run_id, "m", 2, step=1)
        open_lake(str(uri)).seal()
        shutil.copytree(uri, tmp_path / other)
        for file in (tmp_path / other).rglob("*"):
            if file.is_file():
                file.write_text("this is the other one\n")
        for _ in ("hot", "folded"):
            assert len(client.search_runs(["0"], "metrics.m = 2")) == 1
            assert len(client.get_metric_history(run_id, "m")) == 2
            assert lakeflow.sql("FROM metrics", tracking_uri=uri).num_rows == 2
            assert lakeflow.scan_metrics(tracking_uri=uri).collect().height == 2
            assert lakeflow.metric_series([run_id], "m", tracking_uri=uri).num_rows == 2
            assert duckdb.connect().execute(setup(uri) + "FROM metrics").fetchall()
            assert lakeflow.compact(uri).rejected == 0


def test_a_folder_with_other_things_is_not_made_a_lake(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InvalidInputError, match=r"thesis\.tex"):
        LakeflowClient(tmp_path).create_run("0")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_not_made_a_lake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(LakeflowException, match="file"):
        LakeflowClient(tmp_path / "file").create_run("0")
    assert (tmp_path / "file").read_text() == "precious"


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    (tmp_path / "lake" / "lake.json").write_text(json.dumps({"format_version": 99}))
    with pytest.raises(InvalidStateError, match="format 99") as caught:
        Lake.on(open_filesystem(str(tmp_path / "lake")), Settings())
    assert "upgrade" in str(caught.value)


def test_a_damaged_lake_file_is_named(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    (tmp_path / "lake" / "lake.json").write_text("{")
    with pytest.raises(DamagedLakeError, match=r"lake\.json"):
        another_process(str(tmp_path / "lake"))


def test_a_damaged_delta_log_is_named_and_left_alone(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    folded = client.create_run("0").info.run_id
    lakeflow.compact(lake)
    hot = client.create_run("0").info.run_id
    damaged = lake / "tables/runs/_delta_log/00000000000000000001.json"
    damaged.write_text("garbage")
    store = another_process(str(lake))
    assert store.runs.get(hot).info.run_id == hot, "what is readable is read"
    assert store.runs.get(folded).info.run_id == folded, "a fold names its files itself"
    with pytest.raises(DamagedLakeError, match="tables/runs") as caught:
        compact_lake(store.lake)
    assert "backup" in str(caught.value)
    assert damaged.read_text() == "garbage"


def test_a_data_file_that_is_gone_is_named(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    LakeflowClient(lake).create_run("0")
    lakeflow.compact(lake)
    (index,) = (lake / "index/run").glob("*.blocks")
    (table,) = (lake / "tables/runs").glob("*.parquet")
    for gone in (index, table):
        gone.rename(gone.with_suffix(".away"))
        store = another_process(str(lake))
        with pytest.raises(DamagedLakeError, match=gone.name):
            store.runs.search(["0"])
        gone.with_suffix(".away").rename(gone)


def test_a_garbage_line_is_set_aside_and_the_rest_is_read(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "before", 1)
    (segment,) = (
        path for path in (lake / "log").glob("*/*.jsonl") if path.parent.name != CONTROL
    )
    with segment.open("ab") as file:
        file.write(b'garbage\n{"seq": 1}\n\xff\xfe\n[1]\n')
    client.log_metric(run_id, "after", 2)
    assert another_process(str(lake)).runs.get(run_id).data.metrics == {"before": 1, "after": 2}
    report = lakeflow.compact(lake)
    assert report.rejected == 4
    (kept,) = (lake / "rejected").iterdir()
    lines = [json.loads(line)["line"] for line in kept.read_text().splitlines()]
    assert lines == ["garbage", '{"seq": 1}', "\\xff\\xfe", "[1]"]
    assert another_process(str(lake)).runs.get(run_id).data.metrics == {"before": 1, "after": 2}


def test_a_torn_tail_is_not_read_and_the_next_writer_goes_on(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    client._store.lake.seal()
    (segment,) = (
        path for path in (lake / "log").glob("*/*.jsonl") if path.parent.name != CONTROL
    )
    with segment.open("ab") as file:
        file.write(b'{"seq":2,"clock":3,"run_id":"' + run_id.encode())
    store = another_process(str(lake), vacuum_grace_s=0)
    store.runs.log_metric(run_id, "loss", 1, 1, 1)
    assert store.runs.get(run_id).data.metrics == {"loss": 1}
    lakeflow.maintenance.compact.compact_lake(store.lake)
    assert store.runs.get(run_id).data.metrics == {"loss": 1}
    assert not segment.exists(), "nobody can finish the torn line any more"


# Root may write anywhere, so a child becomes another user, once everything is imported.
AS_NOBODY = """
import os, sys
from lakeflow import LakeflowClient, context
lake, run_id = sys.argv[1:]
client = LakeflowClient(lake)
client.get_run(run_id)
client._store.lake.close()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
client = LakeflowClient(lake)
print(client.get_run(run_id).data.metrics)
try:
    client.log_metric(run_id, "loss", 3)
except Exception as error:
    print(type(error).__name__, error.error_code, "belongs to" in str(error))
try:
    LakeflowClient(lake + "/log/new").create_run("0")
except Exception as error:
    print(type(error).__name__, error.error_code, "belongs to" in str(error))
"""


def test_a_lake_that_one_may_only_read_is_read(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 1)
    lakeflow.compact(lake)
    client.log_metric(run_id, "loss", 2, step=1)
    for parent in [tmp_path, *tmp_path.parents[:3]]:
        parent.chmod(parent.stat().st_mode | 0o055)  # the last one may be everybody's
    for path in [lake, *lake.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    answer = subprocess.run(
        [sys.executable, "-c", AS_NOBODY, lake, run_id],
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.stdout.splitlines() == [
        "{'loss': 2.0}",
        "StorageError PERMISSION_DENIED True",
        "StorageError PERMISSION_DENIED True",
    ], answer.stderr


FULL_DISK = """
import resource, signal, sys
from lakeflow import LakeflowClient, context
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
client = LakeflowClient(sys.argv[1])
run_id = client.create_run("0").info.run_id
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
logged = 0
for step in range(1000):
    try:
        client.log_metric(run_id, "loss", step, step=step)
        logged += 1
    except Exception as error:
        print(type(error).__name__)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
client.log_metric(run_id, "loss", -1, step=-1)
found = [m.step for m in client.get_metric_history(run_id, "loss")]
print(len(found) == logged + 1, 0 < logged < 1000)
"""


def test_a_disk_that_is_full_is_an_error_and_loses_nothing_before_it(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "lake")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.split() == ["StorageError", "True", "True"]


NOBODY = "f" * 32
READS: dict[str, Callable[[], Any]] = {
    "get_run": lambda: lakeflow.get_run(NOBODY),
    "get_parent_run": lambda: lakeflow.get_parent_run(NOBODY),
    "resuming": lambda: lakeflow.start_run(run_id=NOBODY),
    "get_metric_history": lambda: LakeflowClient().get_metric_history(NOBODY, "m"),
    "metric_history": lambda: lakeflow.metric_history(NOBODY, "m"),
    "metric_series": lambda: lakeflow.metric_series([NOBODY], "m"),
    "scan_metrics": lakeflow.scan_metrics,
    "sql": lambda: lakeflow.sql("SELECT 1"),
    "the script of views": setup,
    "compact": lakeflow.compact,
    "logging to a run": lambda: lakeflow.log_metric("m", 1.0, run_id=NOBODY),
    "changing a run": lambda: LakeflowClient().set_terminated(NOBODY),
}


@pytest.mark.parametrize("read", READS)
def test_what_makes_nothing_makes_no_lake(read: str, uri: str) -> None:
    fs = open_filesystem(uri)
    lakeflow.set_tracking_uri(uri)
    with pytest.raises(NotFoundError, match="there is no lake at") as caught:
        READS[read]()
    assert uri in str(caught.value)
    assert "create_experiment" in str(caught.value), "how to make one"
    assert not fs.list("")
    assert "://" in uri or not Path(uri).exists()


MAKERS: dict[str, Callable[[], Any]] = {
    "create_experiment": lambda: LakeflowClient().create_experiment("digits"),
    "create_run": lambda: LakeflowClient().create_run("0"),
    "set_experiment": lambda: lakeflow.set_experiment("digits"),
    "set_experiment by id": lambda: lakeflow.set_experiment(experiment_id="0"),
    "logging without a run": lambda: lakeflow.log_metric("m", 1.0),
    "the default experiment by name": lambda: LakeflowClient().get_experiment_by_name(
        "Default"
    ),
    "search_experiments": lakeflow.search_experiments,
    "search_runs": lakeflow.search_runs,
    "a list of runs": lambda: lakeflow.search_runs(output_format="list"),
}


@pytest.mark.parametrize("make", MAKERS)
def test_what_mlflow_answers_from_a_new_store_makes_a_lake(make: str, uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    MAKERS[make]()
    assert LakeflowClient().get_experiment("0").name == "Default"


def test_a_client_that_found_no_lake_sees_it_once_somebody_makes_it(
    uri: str, another_process: Callable[..., Store]
) -> None:
    client = LakeflowClient(uri)
    for _ in range(2):
        with pytest.raises(NotFoundError):
            client.get_run(NOBODY)
    run_id = another_process(uri).runs.create("0", None, None, "theirs").info.run_id
    assert [run.info.run_name for run in client.search_runs(["0"])] == ["theirs"]
    assert LakeflowClient(uri).get_run(run_id).info.run_name == "theirs"


def test_reading_a_folder_or_file_that_is_no_lake_leaves_it_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for place in (tmp_path, tmp_path / "thesis.tex"):
        with pytest.raises(LakeflowException, match=re.escape(str(place))):
            LakeflowClient(place).search_experiments()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_a_lake_that_moves_takes_its_artifact_locations_along(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "old")
    run_id = client.create_run("0").info.run_id
    lakeflow.compact(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "new")
    run = LakeflowClient(tmp_path / "new").get_run(run_id)
    assert run.info.artifact_uri == f"{tmp_path}/new/artifacts/0/{run_id}/artifacts"


def test_a_store_that_does_not_answer_keeps_no_other_lake_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, on, pool = [], Lake.on, ThreadPoolExecutor(1)

    def slow(fs: Any, *args: Any, **options: Any) -> Lake:
        if fs.uri.endswith("slow"):
            opened.append(pool.submit(open_lake, tmp_path / "other").result(timeout=20))
        return on(fs, *args, **options)

    monkeypatch.setattr(Lake, "on", slow)
    open_lake(tmp_path / "slow")
    assert opened == [open_lake(tmp_path / "other")]
    pool.shutdown()


def test_threads_that_open_a_new_lake_at_once_share_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        runs = list(
            pool.map(lambda _: LakeflowClient(tmp_path / "l").create_run("0"), range(40))
        )
    client = LakeflowClient(tmp_path / "l")
    assert all(client.get_run(run.info.run_id) == run for run in runs)
    assert len(list((tmp_path / "l" / "log").iterdir())) == 2, "the events, and one writer"


def test_a_client_may_be_pickled(client: LakeflowClient, run_id: str) -> None:
    client.get_run(run_id)
    again: Any = pickle.loads(pickle.dumps(client))
    assert again.get_run(run_id) == client.get_run(run_id)


def test_the_default_lake_is_in_the_working_directory() -> None:
    assert LakeflowClient().tracking_uri == canonical("lake") == f"{Path.cwd()}/lake"
    assert not Path("lake").exists(), "nothing is made before it is needed"


def test_an_exclusive_writer_is_needed_where_files_cannot_be_made_exactly_once() -> None:
    with pytest.raises(StorageError, match="exactly once"):
        open_lake("dir::file:///tmp/never-there")


def test_options_that_would_do_nothing_are_refused(uri: str) -> None:
    secret = {"key": "hunter2"}
    for location in (uri, f"lakeflow+{uri}" if "://" in uri else f"file://{uri}"):
        for refused in (
            lambda at: lakeflow.set_storage_options(at, secret),
            lambda at: lakeflow.compact(at, storage_options=secret),
            lambda at: open_lake(at, secret),
            lambda at: open_filesystem(at, secret),
        ):
            with pytest.raises(InvalidInputError, match="storage_options would do") as caught:
                refused(location)
            assert uri in str(caught.value)
            assert "hunter2" not in str(caught.value)
        with pytest.raises(InvalidInputError, match="exclusive_writer would do nothing"):
            lakeflow.set_storage_options(location, exclusive_writer=True)
        lakeflow.set_storage_options(location, {}, exclusive_writer=False)
        lakeflow.set_storage_options(location)
    LakeflowClient(uri).create_run("0")


def test_options_are_taken_where_they_do_something(tmp_path: Path) -> None:
    for location in ("s3://team/lake", f"dir::file://{tmp_path}"):
        lakeflow.set_storage_options(location, {"key": "value"}, exclusive_writer=True)
        assert context.opening(location).exclusive_writer
        lakeflow.set_storage_options(location)


def test_an_older_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    (tmp_path / "lake" / "lake.json").write_text(json.dumps({"format_version": 3}))
    before = sorted(path for path in (tmp_path / "lake").rglob("*"))
    fs = open_filesystem(tmp_path / "lake")
    with pytest.raises(
        InvalidStateError, match="format 3; this lakeflow reads format 13"
    ) as caught:
        Lake.on(fs, Settings())
    assert "new folder" in str(caught.value)
    assert sorted(path for path in (tmp_path / "lake").rglob("*")) == before
