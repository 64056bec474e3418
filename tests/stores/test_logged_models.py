"""Logged models: one append a call, no look before a point but the first, and files below."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from measured import measure

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.stores.store import Store

UNKNOWN = "m-" + "0" * 32


def segment_of(lake: Path) -> Path:
    """Return the only segment of the only writer."""
    (found,) = (
        path for path in (lake / "log").rglob("*.jsonl") if path.parent.name != "control"
    )
    return found


def test_a_model_is_returned_as_it_is_read(client: LakeflowClient, run_id: str) -> None:
    made = client.create_logged_model("0", "m", run_id, {"a": 1}, {"b": None}, "agent")
    assert made == client.get_logged_model(made.model_id)
    assert made == client.search_logged_models(["0"])[0]
    assert (made.tags, made.params) == ({"a": "1"}, {"b": "None"})


def test_a_point_of_a_model_is_one_line_with_both(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    model_id = client.create_logged_model("0").model_id
    before = len(segment_of(lake).read_text().splitlines())
    client.log_metric(run_id, "m", 0.5, 10, 1, model_id=model_id)
    (line,) = map(json.loads, segment_of(lake).read_text().splitlines()[before:])
    assert line["metrics"]["value"] == line["logged_model_metrics"]["value"] == [0.5]
    assert line["logged_model_metrics"]["model_id"] == [model_id]
    assert line["run_id"] == run_id


def test_a_point_of_a_model_that_is_not_there_is_none_of_the_run_either(
    client: LakeflowClient, run_id: str
) -> None:
    with pytest.raises(NotFoundError, match=UNKNOWN):
        client.log_metric(run_id, "m", 1, model_id=UNKNOWN)
    point = Metric("m", 1.0, 1, 1)
    with pytest.raises(NotFoundError):
        client.log_batch(run_id, [point, Metric("m", 1.0, 1, 1, UNKNOWN)])
    assert client.get_run(run_id).data.metrics == {}


def test_a_queued_point_is_one_of_the_model(client: LakeflowClient, run_id: str) -> None:
    model_id = client.create_logged_model("0").model_id
    operations = client.log_metric(run_id, "m", 1, step=3, synchronous=False, model_id=model_id)
    assert operations is not None
    operations.wait()
    (point,) = client.get_logged_model(model_id).metrics or ()
    assert (point.value, point.step, point.run_id) == (1.0, 3, run_id)


def test_another_process_measures_a_model_it_has_not_made(
    client: LakeflowClient, uri: str, run_id: str, another_process: Callable[..., Store]
) -> None:
    model_id = client.create_logged_model("0").model_id
    other = another_process(uri)
    for step in range(3):
        other.log_metric(run_id, "m", step, 10 + step, step, None, model_id)
    lakeflow.compact(uri)
    other.log_metric(run_id, "m", 3, 13, 3, None, model_id)
    points = client.get_logged_model(model_id).metrics or ()
    assert [(each.value, each.step) for each in points] == [(n, n) for n in range(4)]


def test_half_a_dataset_is_none() -> None:
    with pytest.raises(InvalidInputError, match="Both dataset_name and dataset_digest"):
        Metric("m", 1.0, 1, 1, "m-1", "digits")


@pytest.mark.parametrize("is_folded", [False, True])
def test_what_is_removed_is_gone_from_every_table(uri: str, is_folded: bool) -> None:
    lakeflow.set_tracking_uri(uri)
    client = LakeflowClient()
    run_id = client.create_run("0").info.run_id
    model_id, other = measure(uri, run_id), measure(uri, run_id)
    if is_folded:
        lakeflow.compact(uri)
    open_store(uri, create=False).logged_models.remove(model_id)
    client.log_batch(run_id, [Metric("late", 1.0, 1, 1, model_id)])
    for _ in range(2):
        for name in (
            "logged_models",
            "logged_model_params",
            "logged_model_tags",
            "logged_model_files",
            "logged_model_metrics",
            "latest_logged_model_metrics",
        ):
            found = lakeflow.sql(f"SELECT DISTINCT model_id FROM {name}", output_format="list")
            assert found == [{"model_id": other}], name
        with pytest.raises(NotFoundError):
            client.get_logged_model(model_id)
        # What it logged is the run's still.
        assert client.get_run(run_id).data.metrics["late"] == 1.0
        lakeflow.compact(uri)


def test_a_search_goes_back_to_what_the_tables_held(uri: str) -> None:
    client = LakeflowClient(uri)
    client.create_logged_model("0", "old")
    lakeflow.compact(uri)
    client.create_logged_model("0", "new")
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1)
    lakeflow.compact(uri)
    assert {each.name for each in client.search_logged_models(["0"])} == {"old", "new"}
    first = client.search_logged_models(["0"], as_of=0)
    assert [each.name for each in first] == ["old"]


OF_EACH_VALUE = {
    "metrics.m = 2": "a",
    "metrics.m IN (2.5, 7)": "b",
    "metrics.m BETWEEN 1.5 AND 2.2": "a",
    "metrics.m NOT BETWEEN 1.5 AND 2.2": "bc",
    "metrics.m != 3": "abc",
    "NOT metrics.m = 3": "b",
    "metrics.m = 1 AND metrics.m > 3": "ab",
    "metrics.m = 2 OR metrics.m = 2.5": "ab",
}


def test_any_value_that_was_logged_is_found(uri: str, run_id: str) -> None:
    client = LakeflowClient(uri)
    series = {"a": (1, 2, 3, 4), "b": (1, 2.5, 4), "c": (3, float("nan"), 3)}
    ids = {name: client.create_logged_model("0", name).model_id for name in series}

    def found(text: str) -> str:
        page = client.search_logged_models(["0"], text, order_by=[{"field_name": "name"}])
        return "".join(each.name for each in page)

    for steps in (slice(1), slice(1, None)):
        lakeflow.compact(uri)
        for name, values in series.items():
            for step, value in [*enumerate(values)][steps]:
                client.log_metric(run_id, "m", value, step=step, model_id=ids[name])
    for place in ("part of them in the log", "all of them in files"):
        assert {text: found(text) for text in OF_EACH_VALUE} == OF_EACH_VALUE, place
        lakeflow.compact(uri)


def test_a_token_is_good_for_its_search_alone(client: LakeflowClient, run_id: str) -> None:
    for number in range(3):
        model_id = client.create_logged_model("0", f"model {number}").model_id
        client.log_metric(run_id, "m", number, model_id=model_id)
    ask: dict[str, Any] = {"max_results": 1, "filter_string": "metrics.m >= 0"}
    order = [{"field_name": "metrics.m", "ascending": False}]
    first = client.search_logged_models(["0"], order_by=order, **ask)
    second = client.search_logged_models(["0"], order_by=order, page_token=first.token, **ask)
    assert [each.name for each in (*first, *second)] == ["model 2", "model 1"]
    for other in (None, [{"field_name": "metrics.m"}], [*order, {"field_name": "name"}]):
        with pytest.raises(InvalidInputError, match="another search"):
            client.search_logged_models(["0"], order_by=other, page_token=first.token, **ask)
    with pytest.raises(InvalidInputError, match="another search"):
        client.search_logged_models(
            ["0"],
            order_by=order,
            page_token=first.token,
            datasets=[{"dataset_name": "d"}],
            **ask,
        )


@pytest.mark.parametrize(
    "order",
    ["metrics.m", ["metrics.m"], [{"ascending": True}], [{"field_name": "metrics."}],
     [{"field_name": "x`; DROP TABLE"}], [{"field_name": 3}]],
)  # fmt: skip
def test_a_malformed_order_is_refused(client: LakeflowClient, order: Any) -> None:
    client.create_logged_model("0")
    if order == [{"field_name": "metrics."}]:
        assert len(client.search_logged_models(["0"], order_by=order)) == 1
        return
    with pytest.raises(InvalidInputError):
        client.search_logged_models(["0"], order_by=order)


def test_a_hostile_key_is_only_a_value(client: LakeflowClient) -> None:
    hostile = "a'; DROP TABLE logged_models; -- `\" "
    model = client.create_logged_model("0", tags={hostile: hostile}, params={hostile: hostile})
    assert client.get_logged_model(model.model_id).tags == {hostile: hostile}
    order = [{"field_name": f"metrics.{hostile}"}]
    assert len(client.search_logged_models(["0"], order_by=order)) == 1
    datasets = [{"dataset_name": hostile, "dataset_digest": hostile}]
    for each in (datasets, numpy.array(datasets * 2)):
        assert client.search_logged_models(["0"], "", each) == []


def test_aggregates_are_of_metrics_of_runs(client: LakeflowClient) -> None:
    with pytest.raises(InvalidInputError, match="min, max, count and last"):
        client.search_logged_models(["0"], "max(metrics.m) > 1")


def test_a_status_is_one_of_mlflows(client: LakeflowClient) -> None:
    model_id = client.create_logged_model("0").model_id
    with pytest.raises(InvalidInputError, match="status"):
        client.finalize_logged_model(model_id, "DONE")
    with pytest.raises(InvalidInputError, match="READY"):
        client.search_logged_models(["0"], "status = 'ready'")
    assert [LoggedModelStatus.from_int(each.to_int()) for each in LoggedModelStatus] == [
        *LoggedModelStatus
    ]
    with pytest.raises(InvalidInputError):
        LoggedModelStatus.from_int(4)


def test_a_model_is_made_once_a_run_again(client: LakeflowClient, run_id: str) -> None:
    for step in (1, 2):
        client.log_outputs(run_id, [LoggedModelOutput("m-1", step)])
    (output,) = client.get_run(run_id).outputs.model_outputs
    assert output.step == 1


def test_files_of_a_model_come_and_go(client: LakeflowClient, tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "data").mkdir(parents=True)
    (source / "data" / "weights.bin").write_bytes(b"1234")
    (source / "MLmodel").write_text("flavors: {}")
    model_id = client.create_logged_model("0").model_id
    client.log_model_artifacts(model_id, source)
    client.log_model_artifact(model_id, source / "MLmodel", "copy")
    listed = client.list_logged_model_artifacts(model_id)
    assert [(each.path, each.is_dir) for each in listed] == [
        ("MLmodel", False),
        ("copy", True),
        ("data", True),
    ]
    lakeflow.set_tracking_uri(client.tracking_uri)
    uri = f"models:/{model_id}"
    target = tmp_path / "here"
    folder = Path(lakeflow.artifacts.download_artifacts(uri, dst_path=target))
    assert (folder / "data" / "weights.bin").read_bytes() == b"1234"
    assert lakeflow.artifacts.load_text(f"{uri}/copy/MLmodel") == "flavors: {}"
    with pytest.raises(InvalidInputError):
        client.list_logged_model_artifacts(model_id, "../..")
    with pytest.raises(InvalidInputError, match="no folder"):
        client.log_model_artifacts(model_id, source / "MLmodel")
    client.delete_logged_model(model_id)
    with pytest.raises(NotFoundError):
        lakeflow.artifacts.list_artifacts(uri)


def test_files_of_a_model_are_recorded_sent_once_and_checked(
    client: LakeflowClient, tmp_path: Path
) -> None:
    source = tmp_path / "model"
    source.mkdir()
    weights = source / "weights.bin"
    weights.write_bytes(b"1234")
    model_id = client.create_logged_model("0").model_id
    client.log_model_artifacts(model_id, source)
    lakeflow.set_tracking_uri(client.tracking_uri)
    beside = open_store(client.tracking_uri, create=False).model_files
    found = beside.recorded(model_id)["weights.bin"]
    assert found[:2] == (4, hashlib.sha256(b"1234").hexdigest())
    place = beside.folder(model_id)
    written = place.fs.entry(place.full("weights.bin"))
    for _ in range(2):
        client.log_model_artifact(model_id, weights)
        assert place.fs.entry(place.full("weights.bin")) == written
        assert beside.recorded(model_id)["weights.bin"] == found
        lakeflow.compact(client.tracking_uri)
    place.fs.put(place.full("weights.bin"), b"4321")
    with pytest.raises(DamagedLakeError, match=r"weights\.bin"):
        lakeflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=tmp_path)
    weights.write_bytes(b"4321")
    client.log_model_artifacts(model_id, source)
    target = lakeflow.artifacts.download_artifacts(f"models:/{model_id}", dst_path=tmp_path)
    assert Path(target, "weights.bin").read_bytes() == b"4321"


def test_a_version_of_a_logged_model_has_the_digests_of_its_files(
    client: LakeflowClient, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "weights.bin").write_bytes(b"1234")
    (folder / "MLmodel").write_bytes(b"12")
    model = client.create_logged_model("0")
    client.log_model_artifacts(model.model_id, folder)
    client.create_registered_model("net")
    sources = [f"models:/{model.model_id}", model.artifact_location]
    sources += [f"{source}/data" for source in sources]
    for source in sources:
        client.create_model_version("net", source)
    versions = open_store(client.tracking_uri, create=False).model_versions
    found = [sorted(versions.recorded("net", str(n)).digests) for n in range(1, 5)]
    assert found == [["MLmodel", "data/weights.bin"]] * 2 + [["weights.bin"]] * 2


def test_a_location_that_leads_out_of_the_lake_is_refused(
    tmp_path: Path, another_process: Callable[..., Store]
) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    model = client.create_logged_model("0")
    log = segment_of(lake)
    log.write_text(log.read_text().replace("artifacts/0/models", "../../models"))
    with pytest.raises(DamagedLakeError):
        another_process(lake).model_files.listing(model.model_id)
