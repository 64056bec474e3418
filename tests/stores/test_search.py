"""Searches by page: order, tokens, what others log meanwhile, and going back."""

from __future__ import annotations

import base64
import datetime
import io
import json
import math
import time
from typing import TYPE_CHECKING, Any

import numpy
import pandas
import pytest

import lakeflow
from lakeflow import LakeflowClient, exporting, importing
from lakeflow.config import Settings
from lakeflow.entities import Metric, Param, ViewType, validation
from lakeflow.exceptions import DamagedLakeError, InvalidInputError, NotFoundError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any


def pages(client: LakeflowClient, size: int, **options: Any) -> list[list[str]]:
    found, token = [], None
    while True:
        page = client.search_runs(["0"], max_results=size, page_token=token, **options)
        found.append([run.info.run_name for run in page])
        token = page.token
        if token is None:
            return found


@pytest.fixture
def ten(client: LakeflowClient, uri: str) -> list[str]:
    """Return the names of ten runs, some folded, some not; equal ones and NaN among them."""
    for number in range(10):
        run_id = client.create_run("0", 1000 + number, run_name=f"r{number}").info.run_id
        value = [1.0, math.nan, 0.5, None, math.inf][number % 5]
        if value is not None:
            client.log_metric(run_id, "m", value)
        if number == 5:
            lakeflow.compact(uri)
    return [f"r{number}" for number in range(10)]


@pytest.mark.parametrize("size", [1, 3, 10, 11])
def test_pages_hold_each_run_once_in_order(
    client: LakeflowClient, ten: list[str], size: int
) -> None:
    for order, wanted in (
        (None, ten[::-1]),
        (["metrics.m"], ["r7", "r2", "r5", "r0", "r9", "r4", "r6", "r1", "r8", "r3"]),
        (["metrics.m DESC"], ["r9", "r4", "r5", "r0", "r7", "r2", "r6", "r1", "r8", "r3"]),
        (["run_name DESC"], ten[::-1]),
    ):
        found = pages(client, size, order_by=order)
        assert [name for page in found for name in page] == wanted
        assert {len(page) for page in found[:-1]} <= {size}


def test_what_others_log_neither_shifts_nor_repeats_a_page(
    client: LakeflowClient, uri: str, ten: list[str]
) -> None:
    found, token, late = [], None, 0
    while True:
        page = client.search_runs(["0"], max_results=2, page_token=token)
        found += [run.info.run_name for run in page]
        token = page.token
        if token is None:
            break
        late += 1
        client.create_run("0", 5000 + late, run_name=f"late {late}")
        client.log_metric(page[0].info.run_id, "m", 99.0, step=9)
        if late == 2:
            lakeflow.compact(uri)
    assert found == ten[::-1]


def test_a_token_of_another_search_is_refused(client: LakeflowClient, ten: list[str]) -> None:
    token = client.search_runs(["0"], "metrics.m > 0", max_results=1).token
    assert token is not None
    assert client.search_runs(["0"], "metrics.m > 0", max_results=5, page_token=token)
    for options in (
        {"filter_string": "metrics.m > 1"},
        {"filter_string": "metrics.m > 0", "order_by": ["metrics.m"]},
        {"filter_string": "metrics.m > 0", "run_view_type": ViewType.ALL},
    ):
        with pytest.raises(InvalidInputError, match="another search"):
            client.search_runs(["0"], page_token=token, **options)
    with pytest.raises(InvalidInputError, match="another search"):
        client.search_runs(["0", "1"], "metrics.m > 0", page_token=token)


def test_a_token_is_good_for_its_lake_under_any_name_and_for_no_other_lake(
    tmp_path: Path,
) -> None:
    clients = [LakeflowClient(tmp_path / name) for name in ("lake", "other")]
    for client in clients:
        for _ in range(3):
            client.create_run("0")
    (tmp_path / "link").symlink_to(tmp_path / "lake")
    ours, other = clients
    link = LakeflowClient(tmp_path / "link")
    first = ours.search_runs(["0"], max_results=1)
    token = first.token
    assert token is not None
    second = link.search_runs(["0"], max_results=2, page_token=token)
    assert len({run.info.run_id for run in (*first, *second)}) == 3
    with pytest.raises(InvalidInputError, match="another lake"):
        other.search_runs(["0"], max_results=1, page_token=token)
    content = json.loads(base64.urlsafe_b64decode(token))
    content["after"][-1] = "f" * 32
    forged = base64.urlsafe_b64encode(json.dumps(content).encode()).decode()
    with pytest.raises(InvalidInputError, match="page token") as raised:
        ours.search_runs(["0"], max_results=1, page_token=forged)
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize("token", ["x", "eyJ9", "e30=", "W10=", "🙂", 5])
def test_what_is_no_token_is_refused(client: LakeflowClient, token: Any) -> None:
    with pytest.raises(InvalidInputError, match="Invalid page token"):
        client.search_runs(["0"], page_token=token)


@pytest.mark.parametrize("size", [0, -1, 50_001, "10", 2.5, True, None])
def test_a_page_size_that_cannot_be_is_refused(client: LakeflowClient, size: Any) -> None:
    with pytest.raises(InvalidInputError, match="max_results"):
        client.search_runs(["0"], max_results=size)


def test_experiments_may_be_one_several_or_all(client: LakeflowClient) -> None:
    first = client.create_experiment("first")
    runs = {each: client.create_run(each).info.run_id for each in ("0", first)}

    def found(ids: object) -> set[str]:
        return {run.info.run_id for run in client.search_runs(ids)}  # type: ignore[arg-type]

    assert found("0") == found(0) == found(["0"]) == {runs["0"]}
    assert found(["0", first]) == found(None) == set(runs.values())
    assert found([]) == set()
    assert found(["77"]) == set()
    with pytest.raises(InvalidInputError):
        client.search_runs(["../0"])


def test_a_search_goes_back_to_what_the_tables_held(client: LakeflowClient, uri: str) -> None:
    assert client.search_runs([], as_of=datetime.datetime.now(datetime.UTC)) == []
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "m", 1.0)
    lakeflow.compact(uri)
    version = client._store.lake.fold().versions["runs"]
    time.sleep(0.02)
    snapshot_id = datetime.datetime.now(datetime.UTC)
    client.log_metric(run_id, "m", 2.0, step=1)
    client.create_run("0")
    lakeflow.compact(uri)
    client.log_metric(run_id, "m", 3.0, step=2)
    for as_of in (snapshot_id, version):
        (run,) = client.search_runs(["0"], "metrics.m = 1", as_of=as_of)
        assert (run.info.run_id, run.data.metrics) == (run_id, {"m": 1.0})
        assert not client.search_runs(["0"], "metrics.m > 1", as_of=as_of)
    assert client.search_runs(["0"], as_of=datetime.datetime(2020, 1, 1)) == []  # noqa: DTZ001
    assert len(client.search_runs(["0"], "metrics.m = 3")) == 1


def test_a_time_without_a_zone_is_local(
    client: LakeflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "America/Los_Angeles")
    time.tzset()
    try:
        client.create_run("0")
        lakeflow.compact(uri)
        now = datetime.datetime.now() + datetime.timedelta(minutes=1)  # noqa: DTZ005
        pandas_now = pandas.Timestamp(now)
        hour_ago = now - datetime.timedelta(hours=1)
        for as_of in (now, pandas_now):
            assert len(client.search_runs(["0"], as_of=as_of)) == 1
            assert lakeflow.scan_runs(uri, as_of=as_of).collect().height == 1
            asked = "SELECT run_id FROM runs WHERE start_time_at < $1 AND start_time_at > $2"
            for params in ([as_of, hour_ago], {"1": as_of, "2": hour_ago}):
                assert lakeflow.sql(asked, params, tracking_uri=uri).num_rows == 1
        assert client.search_runs(["0"], as_of=hour_ago) == []
        assert client.search_runs(["0"], as_of=datetime.datetime.min) == []  # noqa: DTZ901
        assert len(client.search_runs(["0"], as_of=datetime.datetime.max)) == 1  # noqa: DTZ901
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_is_no_longer_kept_is_said(
    another_process: Callable[..., Store], uri: str
) -> None:
    store = another_process(uri, retention_s=0, vacuum_grace_s=0)
    for _ in range(3):
        store.runs.create("0")
        compact_lake(store.lake)
    with pytest.raises(NotFoundError, match="oldest compaction on record"):
        store.runs.search(["0"], as_of=datetime.datetime(2020, 1, 1))  # noqa: DTZ001


def test_a_search_opens_only_files_that_may_hold_its_keys(
    another_process: Callable[..., Store], tmp_path: Path
) -> None:
    store = another_process(str(tmp_path / "lake"))
    for key in ("early", "late"):
        run_id = store.runs.create("0").info.run_id
        store.runs.log_batch(run_id, params=[Param(key, "1")])
        compact_lake(store.lake)
    (late,) = (
        file.path
        for file in store.lake.tables["params"].files()
        if file.bounds["key"] == ("late", "late")
    )
    (tmp_path / "lake/tables/params" / late).unlink()

    def found(condition: str) -> int:
        return len(store.runs.search("0", condition))

    assert found("params.early = '1'") == 1
    assert found("params.early IS NULL") == 1
    assert found("params.never IS NULL") == 2
    with pytest.raises(DamagedLakeError):
        found("params.late = '1'")


def test_a_search_reads_no_more_than_what_is_new() -> None:
    fs = FaultFilesystem(open_filesystem("memory://search-budget"))
    store = Store(Lake.on(fs, Settings(auto_compact=False)))
    ids = [store.runs.create("0", start_time=n).info.run_id for n in range(1, 300)]
    for number, run_id in enumerate(ids):
        store.runs.log_batch(run_id, [Metric("m", number, 1, 1)])
    compact_lake(store.lake)

    def search() -> dict[str, int]:
        before = dict(fs.calls)
        assert len(store.runs.search(["0"], "metrics.m < 10", max_results=5)) == 5
        after = {kind: fs.calls[kind] - before.get(kind, 0) for kind in fs.calls}
        return {kind: calls for kind, calls in after.items() if calls}

    cold, again, warm = search(), search(), search()
    assert sum(cold.values()) <= 40
    assert sum(again.values()) <= 40, "it is joined once more, to be kept"
    assert warm.get("list", 0) <= 4, "the log, the events, its one writer, the folds"
    assert "read" not in warm
    store.runs.log_metric(ids[50], "m", 0.5, 2, 2)
    assert search()["read"] <= 4, "the line, and the document under it"


@pytest.mark.parametrize("as_of", [-1, 1.5, True, "2026-11-24"])
def test_what_is_neither_a_time_nor_a_version_is_refused(
    client: LakeflowClient, as_of: Any
) -> None:
    with pytest.raises(InvalidInputError, match=f"as_of is {as_of!r}"):
        client.search_runs(["0"], as_of=as_of)


def test_a_version_that_is_not_there_yet_is_not_the_newest(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    lakeflow.compact(uri)
    with pytest.raises(NotFoundError, match="datetime"):
        client.search_runs(["0"], as_of=1_795_550_649_000)


@pytest.mark.parametrize("is_folded", [False, True])
def test_each_record_of_a_point_counts(
    client: LakeflowClient, run_id: str, uri: str, is_folded: bool
) -> None:
    for step in (2, 1, 2, 3, 1):
        client.log_metric(run_id, "m", math.nan if step == 1 else step, 5, step)
    if is_folded:
        lakeflow.compact(uri)
    for text, is_true in (
        ("count(metrics.m) = 5", True),
        ("min(metrics.m) = 2 AND max(metrics.m) = 3 AND last(metrics.m) = 3", True),
        ("count(metrics.m) > 5", False),
    ):
        assert bool(client.search_runs(["0"], text)) is is_true, text


def test_a_list_that_came_out_empty_means_none(client: LakeflowClient, run_id: str) -> None:
    client.log_metric(run_id, "m", 1.0)
    lakeflow.set_tracking_uri(client.tracking_uri)
    assert [run.info.run_id for run in client.search_runs(None)] == [run_id]
    for none in [], (), numpy.array([], int), pandas.Series([], dtype=str):
        assert client.search_runs(none) == []
        for output_format in "list", "pandas", "arrow":
            found = lakeflow.search_runs(none, output_format=output_format)
            assert len(found) == 0
            assert len(lakeflow.search_runs(experiment_names=none)) == 0
    assert len(lakeflow.search_runs([], search_all_experiments=True)) == 1
    assert lakeflow.metric_series([], "m").num_rows == 0
    with pytest.raises(InvalidInputError, match="a positive integer"):
        client.search_runs([], max_results=0)


def test_an_empty_list_means_none_of_other_things_too(tmp_path: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    lakeflow.create_dataset("d", experiment_id="0")
    with lakeflow.start_run() as run:
        lakeflow.trace(lambda x: x)(1)
        lakeflow.create_external_model("m")
        lakeflow.log_table({"a": [1]}, "t.json")
    lakeflow.flush_trace_async_logging()
    client = LakeflowClient()
    everything = {
        "traces": lambda ids: lakeflow.search_traces(ids, return_type="list"),
        "models": lambda ids: lakeflow.search_logged_models(ids, output_format="list"),
        "models of a client": client.search_logged_models,
        "datasets": lakeflow.search_datasets,
        "datasets of a client": client.search_datasets,
        "files": lambda ids: verified(None, ids),
        "files of runs": lambda ids: verified(ids and [run.info.run_id], None),
    }

    def verified(run_ids: list[str] | None, experiment_ids: list[str] | None) -> range:
        return range(lakeflow.artifacts.verify(run_ids, experiment_ids).files)

    for name, search in everything.items():
        assert len(search(None)) == 1, name
        assert len(search(["0"])) == 1, name
        assert len(search([])) == 0, name
    assert len(lakeflow.load_table("t.json", [run.info.run_id])) == 1
    with pytest.raises(NotFoundError):
        lakeflow.load_table("t.json", [])


def test_a_list_of_experiments_that_came_out_empty_is_no_copy_of_all(tmp_path: Path) -> None:
    LakeflowClient(tmp_path / "lake").create_run("0")
    lakeflow.set_tracking_uri(tmp_path / "lake")
    source: Any = io.BytesIO()  # it is closed, and never read
    for call in (
        lambda: exporting.to_parquet(tmp_path / "plain", experiments=[]),
        lambda: exporting.to_csv(tmp_path / "plain", experiments=[]),
        lambda: importing.import_from(source, experiments=[]),
    ):
        with pytest.raises(InvalidInputError, match=r"experiments is empty\n.*leave it out"):
            call()
    assert not (tmp_path / "plain").exists()
    assert source.closed


def test_what_comes_out_of_a_frame_may_be_given(client: LakeflowClient, run_id: str) -> None:
    lakeflow.set_tracking_uri(client.tracking_uri)
    lakeflow.set_experiment(experiment_id=numpy.int64(0))
    frame = pandas.DataFrame({"id": [0], "most": [5], "name": ["Default"]})
    ids, most, names = frame["id"], frame["most"][0], frame["name"]
    for given in ids, ids.to_numpy(), ids[0], list(ids), 0, "0":
        assert len(client.search_runs(given, max_results=most)) == 1
        assert len(lakeflow.search_runs(given, max_results=most)) == 1
        assert len(lakeflow.search_runs(given, max_results=most, output_format="list")) == 1
    assert len(lakeflow.search_runs(experiment_names=names)) == 1
    assert len(lakeflow.search_runs(experiment_names="Default")) == 1
    assert len(client.search_experiments(max_results=most)) == 1
    assert len(lakeflow.search_experiments(max_results=most)) == 1
    assert client.get_experiment(ids[0]).name == "Default"
    assert client.create_run(ids[0]).info.experiment_id == "0"
    assert lakeflow.metric_series([run_id], "m", most).num_rows == 0
    for none, one in (
        (ids[:0], pandas.Series([run_id])),
        (ids[:0].to_numpy(), numpy.array([run_id])),
    ):
        assert lakeflow.artifacts.verify(none).runs == 0
        assert lakeflow.artifacts.verify(one, ids).runs == 1
        client.link_traces_to_run(none, run_id)
    for wrong in 5.0, True, "5":
        with pytest.raises(InvalidInputError, match="max_results"):
            client.search_runs(ids, max_results=wrong)
        with pytest.raises(InvalidInputError, match="max_results"):
            lakeflow.search_runs(ids, max_results=wrong)


def test_thousands_of_ids_may_be_listed(client: LakeflowClient, run_id: str) -> None:
    ids = [f"{number:032x}" for number in range(4_000)]
    listed = ", ".join(map(repr, [*ids, run_id]))
    (found,) = client.search_runs(["0"], f"run_id IN ({listed})")
    assert found.info.run_id == run_id


def test_a_stored_time_that_is_no_date_is_missing_in_frames(
    client: LakeflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakeflow.set_tracking_uri(client.tracking_uri)
    # Earlier versions took any.
    monkeypatch.setattr(validation, "LAST_MS", 2**63 - 1)
    nanoseconds = client.create_run("0", start_time=1_700_000_000_000_000_000).info.run_id
    client.set_terminated(nanoseconds, end_time=1_700_000_000_000_000_000)
    good = client.create_run("0", start_time=1_700_000_000_000).info.run_id
    for _ in range(2):
        frame = lakeflow.search_runs(["0"]).set_index("run_id")
        assert pandas.isna(frame["start_time"][nanoseconds])
        assert pandas.isna(frame["end_time"][nanoseconds])
        assert frame["start_time"][good].year == 2023
        table = lakeflow.search_runs(["0"], output_format="arrow")
        assert table["start_time"].null_count == 1
        assert lakeflow.search_runs(output_format="polars")["start_time"].null_count() == 1
        assert client.get_run(nanoseconds).info.start_time == 1_700_000_000_000_000_000
        lakeflow.compact()
