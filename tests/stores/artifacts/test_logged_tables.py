"""Tables beside runs: rows that add up, whoever adds them, and one frame of many runs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import PIL.Image
import pyarrow as pa
import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    InvalidStateError,
    NotFoundError,
)
from lakeflow.stores.artifacts.files import ArtifactStore


def content(client: LakeflowClient, run_id: str, path: str = "t.json") -> bytes:
    return Path(client.download_artifacts(run_id, path)).read_bytes()


def rows(client: LakeflowClient, run_id: str, path: str = "t.json") -> list[Any]:
    return json.loads(content(client, run_id, path))["data"]


def recorded(uri: str, path: str = "t.json") -> dict[str, Any]:
    (row,) = lakeflow.sql(
        "SELECT kind, size, sha256 FROM artifacts WHERE path = ?",
        [path],
        tracking_uri=uri,
        output_format="list",
    )
    return row


def test_what_is_recorded_is_the_file_as_it_grows(
    client: LakeflowClient, uri: str, run_id: str
) -> None:
    for data in ({"a": [1]}, {"a": [2, 3]}, {"b": [4, 5]}, {"a": []}):
        client.log_table(run_id, data, "t.json")
        found = content(client, run_id)
        assert recorded(uri) == {
            "kind": "table",
            "size": len(found),
            "sha256": hashlib.sha256(found).hexdigest(),
        }
    assert rows(client, run_id) == [[1, None], [2, None], [3, None], [None, 4], [None, 5]]
    lakeflow.compact(uri)
    client.log_table(run_id, {"a": 6}, "t.json")
    lakeflow.compact(uri)
    assert len(client.load_table("0", "t.json")) == 6


def test_rows_are_added_without_a_look_at_those_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    client.create_experiment("e")
    run_id = client.create_run("0").info.run_id
    client.log_table(run_id, {"a": [1]}, "t.json")
    fs = client._store.lake.fs
    read = fs.read

    def read_others(path: str, *span: int) -> bytes:
        assert not path.endswith("t.json")
        return read(path, *span)

    monkeypatch.setattr(fs, "read", read_others)
    client.log_table(run_id, {"a": [2]}, "t.json")
    monkeypatch.undo()
    assert rows(client, run_id) == [[1], [2]]


def test_another_spelling_of_a_path_is_the_same_table(
    client: LakeflowClient, run_id: str
) -> None:
    for path in ("n.json", "./n.json", "d/../n.json"):
        client.log_table(run_id, {"a": 1}, path)
    assert rows(client, run_id, "n.json") == [[1]] * 3
    tag = client.get_run(run_id).data.tags["mlflow.loggedArtifacts"]
    assert tag == '[{"path": "n.json", "type": "table"}]'
    assert len(client.load_table("0", "./n.json")) == 3


def test_what_others_did_to_the_file_is_kept(client: LakeflowClient, run_id: str) -> None:
    client.log_table(run_id, {"a": 1}, "t.json")
    client.log_text(run_id, '{"columns": ["a"], "data": [[7]]}', "t.json")
    client.log_table(run_id, {"a": 2}, "t.json")
    assert rows(client, run_id) == [[7], [2]]
    client.log_text(run_id, "no table", "other.json")
    with pytest.raises(InvalidInputError, match="no rows can be"):
        client.log_table(run_id, {"a": 2}, "other.json")


def test_the_frame_of_the_caller_is_not_changed(client: LakeflowClient, run_id: str) -> None:
    image = PIL.Image.new("RGB", (1, 1000))
    frame = pd.DataFrame({"n": [1, 2], "image": [image, image]})
    for path in ("d/t.json", "d/t.parquet"):
        client.log_table(run_id, frame, path)
        assert frame["image"].tolist() == [image, image]
        cells = client.load_table("0", path)["image"].tolist()
        assert [cell["type"] for cell in cells] == ["image", "image"]
        assert cells[0]["filepath"].startswith("table_images/d/t/")
        with PIL.Image.open(client.download_artifacts(run_id, cells[0]["filepath"])) as found:
            assert found.size == image.size
        small = client.download_artifacts(run_id, cells[1]["compressed_filepath"])
        with PIL.Image.open(small) as found:
            assert found.size == (1, 256)


def test_what_is_refused_leaves_nothing(client: LakeflowClient, run_id: str) -> None:
    image = PIL.Image.new("RGB", (1, 1))
    of_print = image.convert("CMYK")
    bad = [[image, 1], [b"\xff"], [of_print], [lakeflow.Image(of_print)]]
    beside = {"a": [image], "b": [b"\xff"]}
    for data in (*({"a": column} for column in bad), beside, 5, [1]):
        with pytest.raises(InvalidInputError):
            client.log_table(run_id, data, "t.json")
    with pytest.raises(InvalidInputError):
        client.log_table(run_id, {"a": 1}, "../t.json")
    client.set_tag(run_id, "mlflow.loggedArtifacts", "[")
    for data in ({"a": 1}, {"a": [image]}):
        with pytest.raises(InvalidStateError, match="delete_tag"):
            client.log_table(run_id, data, "t.json")
    client.delete_tag(run_id, "mlflow.loggedArtifacts")
    client.delete_run(run_id)
    with pytest.raises(InvalidInputError, match="active"):
        client.log_table(run_id, {"a": 1}, "t.json")
    assert client.list_artifacts(run_id) == []


def test_names_are_compared_as_they_are(client: LakeflowClient) -> None:
    for path in ("a_b.json", "axb.json", "%.json", "é.json", "d/a_b.json"):
        run_id = client.create_run("0").info.run_id
        client.log_table(run_id, {"path": path}, path)
    for path in ("a_b.json", "%.json", "é.json"):
        assert client.load_table("0", path)["path"].tolist() == [path]


def test_a_table_is_found_though_another_process_has_set_the_tag_anew(
    client: LakeflowClient, run_id: str
) -> None:
    client.log_table(run_id, {"a": 1}, "t.json")
    client.set_tag(run_id, "mlflow.loggedArtifacts", "[]")
    for run_ids in (None, [run_id, "it's none"]):
        assert client.load_table("0", "t.json", run_ids)["a"].tolist() == [1]
    client.delete_run(run_id)
    with pytest.raises(NotFoundError, match="No runs found"):
        client.load_table("0", "t.json")


def test_what_pandas_cannot_read_is_read(client: LakeflowClient, run_id: str) -> None:
    client.log_table(run_id, {"n": [2**70, 1], "s": ["é", "x"]}, "t.json")
    found = client.load_table("0", "t.json", extra_columns=["run_id"])
    assert found.values.tolist() == [[2**70, "é", run_id], [1, "x", run_id]]


def test_lists_of_arrow_come_back_from_parquet(client: LakeflowClient, run_id: str) -> None:
    kind = pd.ArrowDtype(pa.list_(pa.int64()))
    client.log_table(run_id, pd.DataFrame({"a": pd.array([[1, 2]], kind)}), "t.parquet")
    found = client.load_table("0", "t.parquet")
    assert [list(each) for each in found["a"]] == [[1, 2]]


def test_a_file_that_is_no_table_any_more_is_named(client: LakeflowClient, run_id: str) -> None:
    other = client.create_run("0").info.run_id
    for path, content in (
        ("a.json", "["),
        ("b.json", '{"columns":["a"],"data":[[1,]]}'),
        ("c.json", '{"columns":["a"],"data":[' + "[" * 100_000 + "]" * 100_000 + "]}"),
        ("d.parquet", "PAR1"),
    ):
        client.log_table(other, {"a": 1}, path)
        client.log_table(run_id, {"a": 1}, path)
        client.log_text(run_id, content, path)
        with pytest.raises(DamagedLakeError, match=f"{path} of run {run_id} is no table"):
            client.load_table("0", path)


def test_a_file_that_is_gone_is_named(client: LakeflowClient, run_id: str) -> None:
    client.log_table(run_id, {"a": 1}, "t.json")
    client._store.lake.fs.delete(f"artifacts/0/{run_id}/artifacts/t.json")
    with pytest.raises(NotFoundError, match=f"Artifact t.json not found for run {run_id}"):
        client.load_table("0", "t.json")


def test_runs_of_different_columns_keep_their_order(client: LakeflowClient) -> None:
    wanted = []
    for number in range(6):
        run = client.create_run("0", start_time=1000 - number)
        data = {"n": [number] * number, ("odd" if number % 2 else "even"): [True] * number}
        client.log_table(run.info.run_id, data, "t.json")
        wanted += [run.info.run_id] * number
    found = client.load_table("0", "t.json", extra_columns=["run_id", "n"][:1])
    assert found["run_id"].tolist() == wanted
    assert found.index.tolist() == list(range(15))
    assert found["even"].count() == 6


@pytest.mark.parametrize("path", ["t.json", "t.parquet"])
@pytest.mark.parametrize("rows_before", [0, 1])
def test_a_call_that_stopped_before_it_was_recorded_adds_its_rows_once(
    client: LakeflowClient,
    uri: str,
    run_id: str,
    path: str,
    rows_before: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if rows_before:
        client.log_table(run_id, {"a": [1]}, path)
    with monkeypatch.context() as patch:
        patch.setattr(
            ArtifactStore, "record", lambda *_: (_ for _ in ()).throw(OSError("gone"))
        )
        with pytest.raises(OSError, match="gone"):
            client.log_table(run_id, {"a": [2]}, path)
    client.log_table(run_id, {"a": [2]}, path)
    assert client.load_table("0", path)["a"].tolist() == [1, 2][1 - rows_before :]
    client.log_table(run_id, {"a": [2]}, path)
    assert client.load_table("0", path)["a"].tolist() == [1, 2, 2][1 - rows_before :]
    assert recorded(uri, path)["size"] == len(content(client, run_id, path))


def test_a_table_that_grows_while_it_is_downloaded_is_no_damage(
    client: LakeflowClient, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.log_table(run_id, {"a": [1]}, "t.json")
    recorded = ArtifactStore.recorded
    rows_to_come = [2]

    def grown_meanwhile(self: ArtifactStore, *args: str) -> Any:
        found = recorded(self, *args)
        if rows_to_come:
            client.log_table(run_id, {"a": [rows_to_come.pop()]}, "t.json")
        return found

    monkeypatch.setattr(ArtifactStore, "recorded", grown_meanwhile)
    monkeypatch.setattr("lakeflow.stores.artifacts.files_beside._SECONDS_OF_CLOCK", 0)
    path = client.download_artifacts(run_id, "t.json", tmp_path)
    assert json.loads(Path(path).read_text())["data"] == [[1], [2]]


def test_no_row_is_lost_by_threads_and_processes(tmp_path: Path) -> None:
    uri = tmp_path / "lake"
    client = LakeflowClient(uri)
    client.create_experiment("e")
    run_id = client.create_run("0").info.run_id
    program = """
import sys, threading
from lakeflow import LakeflowClient
uri, run_id, name = sys.argv[1:]
client = LakeflowClient(uri)
def log(thread):
    for n in range(8):
        client.log_table(run_id, {"who": f"{name}-{thread}", "n": n}, "t.json")
    client.log_table(run_id, {"n": 1}, f"{name}-{thread}.json")
threads = [threading.Thread(target=log, args=[each]) for each in range(2)]
for each in threads: each.start()
for each in threads: each.join()
"""
    running = [
        subprocess.Popen([sys.executable, "-c", program, uri, run_id, str(number)])
        for number in range(2)
    ]
    assert [each.wait() for each in running] == [0, 0]
    wanted = {(f"{p}-{t}", n) for p in range(2) for t in range(2) for n in range(8)}
    found = rows(client, run_id)
    assert len(found) == len(wanted)
    assert {tuple(each) for each in found} == wanted
    client.download_artifacts(run_id, "t.json", tmp_path)  # by its digest
    tag = json.loads(client.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    assert len(tag) == 5


def test_a_handler_of_a_signal_is_told_that_it_cannot_log_a_table(
    client: LakeflowClient, run_id: str
) -> None:
    with (
        client._store.tables._turns.turn(run_id),
        pytest.raises(InvalidStateError, match="signal"),
    ):
        client.log_table(run_id, {"a": 1}, "t.json")
    client.log_table(run_id, {"a": 1}, "t.json")


def test_the_functions_log_to_the_active_run_and_experiment(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    lakeflow.set_experiment("tables")
    with lakeflow.start_run() as run:
        lakeflow.log_table({"a": [1]}, "t.json")
    lakeflow.log_table({"a": [2]}, "t.json", run_id=run.info.run_id)
    found = lakeflow.load_table("t.json", extra_columns=["run_id"])
    assert found.to_dict("list") == {"a": [1, 2], "run_id": [run.info.run_id] * 2}


def test_tables_are_logged_without_pandas_and_loading_says_what_is_missing(
    tmp_path: Path,
) -> None:
    program = """
import sys
class Missing:
    def find_spec(self, name, path, target=None):
        if name == "pandas":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
import polars, pyarrow
from lakeflow import LakeflowClient
client = LakeflowClient(sys.argv[1])
run_id = (client.search_experiments(), client.create_run("0"))[1].info.run_id
for path in ("t.json", "t.parquet"):
    for data in ({"a": [1]}, polars.DataFrame({"a": [2]}), pyarrow.table({"a": [3]})):
        client.log_table(run_id, data, path)
try:
    client.load_table("0", "t.json")
except Exception as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lake"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "lakeflow[pandas]" in done.stdout
    client = LakeflowClient(tmp_path / "lake")
    for path in ("t.json", "t.parquet"):
        assert client.load_table("0", path)["a"].tolist() == [1, 2, 3]
