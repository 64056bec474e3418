"""Frames: what the client says of runs, by columns; the same from the log and from tables."""

from __future__ import annotations

import itertools
import math
import random
import sys
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import polars
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.config import Settings
from lakeflow.entities import Dataset, DatasetInput, Metric, ViewType
from lakeflow.exceptions import InvalidInputError, LakeflowException
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.schema import ARTIFACTS, INPUTS, LATEST_METRICS, METRICS, PARAMS, RUNS, TAGS
from lakeflow.stores import runs_table
from lakeflow.stores.store import Store
from lakeflow.testing.faults import FaultFilesystem

if TYPE_CHECKING:
    from collections.abc import Callable

NAN = math.nan
SCANS = {
    RUNS: lakeflow.scan_runs,
    PARAMS: lakeflow.scan_params,
    TAGS: lakeflow.scan_tags,
    INPUTS: lakeflow.scan_inputs,
    ARTIFACTS: lakeflow.scan_artifacts,
    LATEST_METRICS: lakeflow.scan_latest_metrics,
    METRICS: lakeflow.scan_metrics,
}
_NUMBERS = itertools.count()


@pytest.fixture
def runs(client: LakeflowClient, uri: str) -> list[str]:
    """Make three runs, the last one deleted, each with something that the others lack."""
    lakeflow.set_tracking_uri(uri)
    first = client.create_run("0", 1000, run_name="first").info.run_id
    client.log_metric(first, "loss", 0.5, 1, 1)
    client.log_metric(first, "loss", 0.25, 2, 2)
    client.log_param(first, "größe / µ", "0.1")
    dataset = Dataset("digits", "1a2b", "local", "/data/digits.csv")
    client.log_inputs(first, [DatasetInput(dataset, [])])
    client.log_text(first, "one", "a/first.txt")
    client.log_text(first, "stays", "same.txt")
    second = client.create_run("0", 2000, run_name="second").info.run_id
    client.log_metric(second, "accuracy", NAN, 1, 1)
    client.log_metric(second, "infinite", -math.inf, 1, 1)
    client.log_param(second, "optimizer", "adam")
    client.set_tag(second, "損失", "x")
    client.set_terminated(second, end_time=3000)
    third = client.create_run("0", 3000, run_name="third").info.run_id
    client.log_metric(third, "loss", 9.0, 1, 1)
    client.delete_run(third)
    return [first, second, third]


def changed(client: LakeflowClient, runs: list[str]) -> None:
    """Log again: a new value, one that is there already, twice, and a tag that goes."""
    client.log_metric(runs[0], "loss", 0.125, 3, 3)
    client.log_metric(runs[0], "loss", 0.25, 2, 2)
    client.log_metric(runs[1], "accuracy", NAN, 1, 1)
    client.log_metric(runs[0], "new", 1.0, 3, 3)
    client.log_metric(runs[0], "new", 1.0, 3, 3)
    client.delete_tag(runs[1], "損失")
    client.log_param(runs[1], "late", "1")
    client.log_text(runs[0], "one and more", "a/first.txt")
    client.log_text(runs[1], "two", "a/first.txt")
    client.log_metric(client.create_run("0", 4000, run_name="fourth").info.run_id, "loss", 1, 1)


def rows(frame: polars.DataFrame | polars.LazyFrame) -> list[str]:
    return sorted(repr(row) for row in frame.lazy().collect().rows())


def everything() -> dict[str, list[str]]:
    return {spec.name: rows(scan()) for spec, scan in SCANS.items()}


# Scans


def test_scans_show_the_same_before_and_after_a_fold(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    hot = everything()
    assert all(hot.values())
    lakeflow.compact(uri)
    assert everything() == hot
    changed(client, runs)
    mixed = everything()
    assert mixed != hot
    lakeflow.compact(uri)
    folded = everything()
    assert folded == mixed
    assert len(mixed["metrics"]) == 11, "each record once, whatever it says"
    assert len(mixed["runs"]) == 4


def test_scans_of_an_empty_lake_have_the_columns_of_the_tables(
    client: LakeflowClient, uri: str
) -> None:
    lakeflow.set_tracking_uri(uri)
    types = {"string": polars.String, "long": polars.Int64, "double": polars.Float64}
    for spec, scan in SCANS.items():
        found = scan().collect()
        wanted = {column.name: types[column.type] for column in spec.columns}
        assert found.schema == wanted
        assert found.is_empty()
    client.create_run("0")
    lakeflow.compact(uri)
    client.create_run("0")
    for spec, scan in SCANS.items():
        assert scan(uri).collect_schema().names() == list(spec.column_names)


def test_a_scan_holds_still(client: LakeflowClient, runs: list[str], uri: str) -> None:
    lakeflow.compact(uri)
    client.log_metric(runs[0], "loss", 7.0, 7, 7)
    scans = {spec.name: scan() for spec, scan in SCANS.items()}
    before = {name: rows(scan) for name, scan in scans.items()}
    changed(client, runs)
    lakeflow.compact(uri)
    assert {name: rows(scan) for name, scan in scans.items()} == before


def test_a_scan_goes_back_to_a_fold(client: LakeflowClient, runs: list[str], uri: str) -> None:
    lakeflow.compact(uri)
    version = client._store.lake.fold().versions["runs"]
    before = everything()
    changed(client, runs)
    lakeflow.compact(uri)
    then = {spec.name: rows(scan(as_of=version)) for spec, scan in SCANS.items()}
    assert then == before != everything()


def test_conditions_hold_for_nan_as_polars_holds_them(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    value = polars.col("value")
    conditions = [value > 1e300, value.is_nan(), value < 0, value == NAN, ~(value < 1)]
    hot = [rows(lakeflow.scan_metrics().filter(each)) for each in conditions]
    lakeflow.compact(uri)
    assert [rows(lakeflow.scan_metrics().filter(each)) for each in conditions] == hot
    assert len(hot[0]) == 1


def test_conditions_and_columns_are_left_to_the_reader_of_files(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    lakeflow.compact(uri)
    client.set_tag(runs[0], "t", "x")
    wanted = lakeflow.scan_params().filter(polars.col("key") == "optimizer").select("value")
    assert wanted.collect().rows() == [("adam",)]
    plan = wanted.explain()
    scan = plan[plan.index("SCAN") : plan.index("PLAN 1")]
    assert "PROJECT 3/4 COLUMNS" in scan  # key, value, and the run to leave out hot ones
    assert 'col("key") == "optimizer"' in scan
    assert 'col("run_id").is_in' in scan


def test_files_that_were_logged_again_are_left_out_of_what_is_read(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    lakeflow.compact(uri)
    client.log_text(runs[0], "another", "a/first.txt")
    mine = lakeflow.scan_artifacts().filter(polars.col("run_id") == runs[0])
    assert rows(mine.select("path", "size")) == ["('a/first.txt', 7)", "('same.txt', 5)"]
    plan = mine.select("size").explain()
    scan = plan[plan.index("SCAN") :]
    assert "PROJECT 4/11 COLUMNS" in scan  # the size, and the key to leave out what is hot
    assert f'col("run_id") == "{runs[0]}"' in scan


class CountingFilesystem(FaultFilesystem):
    """Counts the bytes that are read of Parquet files."""

    read_bytes = 0

    def read(self, path: str, start: int = 0, end: int | None = None) -> bytes:
        data = super().read(path, start, end)
        if path.endswith(".parquet"):
            self.read_bytes += len(data)
        return data

    def spent(self) -> int:
        spent, self.read_bytes = self.read_bytes, 0
        return spent


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> tuple[Store, CountingFilesystem, list[str]]:
    """Make a lake of long curves whose bytes are counted; no file is on this machine."""
    fs = CountingFilesystem(open_filesystem(f"memory://frames-{next(_NUMBERS)}"))
    store = Store(Lake.on(fs, Settings(auto_compact=False)))
    ids = [store.runs.create("0").info.run_id for _ in range(20)]
    for run_id in ids:
        points = [
            Metric(key, random.random(), n, n) for key in ("acc", "loss") for n in range(5_000)
        ]
        store.runs.log_batch(run_id, points)
    compact_lake(store.lake)
    for module in ("frames", "scans"):
        monkeypatch.setattr(f"lakeflow.{module}.open_store", lambda *_, create: store)
    return store, fs, ids


def test_what_is_not_needed_is_not_read(
    counted: tuple[Store, CountingFilesystem, list[str]],
) -> None:
    _, fs, ids = counted
    frame = lakeflow.scan_metrics()
    fs.spent()
    assert frame.collect().height == 200_000
    everything = fs.spent()
    assert frame.select(polars.col("step").max()).collect().item() == 4_999
    assert fs.spent() < everything / 3
    mine = frame.filter(polars.col("run_id") == ids[7], polars.col("key") == "loss")
    assert mine.collect().height == 5_000
    assert fs.spent() < everything / 3


def test_a_series_reads_the_row_groups_of_its_runs(
    counted: tuple[Store, CountingFilesystem, list[str]],
) -> None:
    _, fs, ids = counted
    lakeflow.metric_series(ids, "loss")
    everything = fs.spent()
    found = lakeflow.metric_series([ids[-1], ids[0]], "loss", max_points=100)
    assert found["run_id"].unique().to_pylist() == [ids[-1], ids[0]]
    assert fs.spent() < everything / 2


# search_runs


INFO_TYPES = {
    "run_id": polars.String,
    "experiment_id": polars.String,
    "status": polars.String,
    "artifact_uri": polars.String,
    "start_time": polars.Datetime("ms", "UTC"),
    "end_time": polars.Datetime("ms", "UTC"),
}


def found(**arguments: Any) -> polars.DataFrame:
    frame: polars.DataFrame = lakeflow.search_runs(output_format="polars", **arguments)
    return frame


def of_entities(listed: list[lakeflow.entities.Run]) -> dict[str, list[Any]]:
    """Return the columns of keys as they follow from entities."""
    columns: dict[str, list[Any]] = {}
    for kind in ("metrics", "params", "tags"):
        all_values = [getattr(run.data, kind) for run in listed]
        for key in dict.fromkeys(key for values in all_values for key in sorted(values)):
            columns[f"{kind}.{key}"] = [values.get(key) for values in all_values]
    return columns


@pytest.mark.parametrize("few", [0, 1000])
def test_a_frame_holds_what_the_entities_do(
    client: LakeflowClient,
    runs: list[str],
    uri: str,
    few: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runs_table, "_MOST_DOCUMENTS", few)
    monkeypatch.setattr(runs_table, "_RUNS_A_DOCUMENT", 1)
    monkeypatch.setattr(runs_table, "_DOCUMENTS_AT_ONCE", 2)

    def check() -> None:
        for view in (ViewType.ACTIVE_ONLY, ViewType.DELETED_ONLY, ViewType.ALL):
            for order in (None, ["params.optimizer"], ["attributes.start_time"]):
                listed = lakeflow.search_runs(
                    run_view_type=view, order_by=order, output_format="list"
                )
                frame = found(run_view_type=view, order_by=order)
                wanted = of_entities(listed)
                assert frame.columns == [*INFO_TYPES, *wanted]
                assert frame["run_id"].to_list() == [run.info.run_id for run in listed]
                uris = [run.info.artifact_uri for run in listed]
                assert frame["artifact_uri"].to_list() == uris
                ends = frame["end_time"].dt.timestamp("ms").to_list()
                assert ends == [run.info.end_time for run in listed]
                for name, values in wanted.items():
                    assert repr(frame[name].to_list()) == repr(values), name

    check()
    lakeflow.compact(uri)
    check()
    changed(client, runs)
    check()
    lakeflow.compact(uri)
    check()


def test_columns_have_their_types_whatever_is_found(
    client: LakeflowClient, runs: list[str]
) -> None:
    frame = found()
    assert dict(itertools.islice(frame.schema.items(), 6)) == INFO_TYPES
    assert set(frame.schema.values()) - set(INFO_TYPES.values()) == {polars.Float64}
    nothing = found(filter_string="metrics.loss > 100")
    assert (nothing.schema, nothing.height) == (INFO_TYPES, 0)


def test_a_pandas_frame_is_mlflows(client: LakeflowClient, runs: list[str], uri: str) -> None:
    pandas = pytest.importorskip("pandas")
    frame = lakeflow.search_runs(["0"], order_by=["attributes.start_time"])
    moment = pandas.Series([pandas.to_datetime(0, unit="ms", utc=True)]).dtype
    text = pandas.Series(["x", None]).dtype
    assert dict(frame.dtypes) == {
        "run_id": text,
        "experiment_id": text,
        "status": text,
        "artifact_uri": text,
        "start_time": moment,
        "end_time": moment,
        "metrics.loss": float,
        "metrics.accuracy": float,
        "metrics.infinite": float,
        "params.größe / µ": text,
        "params.optimizer": text,
        "tags.mlflow.runName": text,
        "tags.損失": text,
    }
    assert list(frame.index) == [0, 1]
    assert frame["start_time"].dt.year.to_list() == [1970, 1970]
    assert frame["end_time"].isna().to_list() == [True, False]
    assert frame["metrics.loss"].isna().to_list() == [False, True]
    assert frame["metrics.infinite"][1] == -math.inf
    assert frame["params.optimizer"].isna().to_list() == [True, False]
    client.delete_run(runs[1])
    assert lakeflow.search_runs(["0"])["end_time"].dtype == moment
    assert lakeflow.search_runs(["0"], "metrics.loss > 100").shape == (0, 6)
    lakeflow.compact(uri)
    assert lakeflow.search_runs(["0"]).shape == (1, 9)


def test_a_search_is_in_the_experiments_that_it_names(
    client: LakeflowClient, uri: str, caplog: pytest.LogCaptureFixture
) -> None:
    lakeflow.set_tracking_uri(uri)
    other, gone = (client.create_experiment(name) for name in ("other", "gone"))
    in_default, in_other, _ = (
        client.create_run(experiment, start).info.run_id
        for start, experiment in enumerate(("0", other, gone), 1)
    )
    client.delete_experiment(gone)

    def ids(**arguments: Any) -> set[str]:
        listed = lakeflow.search_runs(output_format="list", **arguments)
        assert {run.info.run_id for run in listed} == set(found(**arguments)["run_id"])
        return {run.info.run_id for run in listed}

    assert ids() == ids(experiment_ids=["0"]) == {in_default}
    assert ids(experiment_ids=[]) == ids(experiment_names=[]) == set()
    lakeflow.set_experiment("other")
    assert ids() == {in_other}
    assert ids(experiment_ids=0) == ids(experiment_ids="0") == {in_default}
    assert ids(experiment_names=["other", "unknown", None]) == {in_other}
    caplog.clear()
    assert ids(experiment_names=["unknown"]) == set()
    assert "there is no experiment 'unknown'" in caplog.text
    assert ids(experiment_ids=["99"]) == set()
    assert ids(search_all_experiments=True) == {in_default, in_other}
    assert ids(search_all_experiments=True, experiment_ids=["0"]) == {in_default}
    assert ids(experiment_ids=["0", other], max_results=1) == {in_other}
    assert ids(max_results=0) == set()
    assert ids(max_results=None) == {in_other}


def test_wrong_searches_are_refused(client: LakeflowClient, uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    client.get_experiment("0")
    with pytest.raises(InvalidInputError, match="not both"):
        lakeflow.search_runs(["0"], experiment_names=["Default"])
    with pytest.raises(
        InvalidInputError, match="'csv'; there are 'arrow', 'polars', 'pandas' and"
    ):
        lakeflow.search_runs(output_format="csv")  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError):
        lakeflow.search_runs(filter_string="nonsense", output_format="polars")


# What every answer of rows can be


@pytest.fixture
def answers(client: LakeflowClient, runs: list[str]) -> dict[str, Callable[..., Any]]:
    """Return every function that answers with a table, each asked for two rows."""
    return {
        "search_runs": partial(lakeflow.search_runs, order_by=["start_time"]),
        "metric_history": partial(lakeflow.metric_history, runs[0], "loss"),
        "metric_series": partial(lakeflow.metric_series, runs[:1], "loss"),
        "sql": partial(lakeflow.sql, "SELECT step, value FROM metrics ORDER BY ALL LIMIT 2"),
    }


def test_the_same_words_name_the_same_containers_everywhere(
    answers: dict[str, Callable[..., Any]],
) -> None:
    pandas = pytest.importorskip("pandas")
    kinds = {
        "arrow": pyarrow.Table,
        "polars": polars.DataFrame,
        "pandas": pandas.DataFrame,
        "list": list,
    }
    for name, answer in answers.items():
        for output_format, kind in kinds.items():
            found = answer(output_format=output_format)
            assert (type(found), len(found)) == (kind, 2), (name, output_format)


def test_a_table_is_arrow_unless_mlflow_says_otherwise(
    answers: dict[str, Callable[..., Any]],
) -> None:
    pandas = pytest.importorskip("pandas")
    found = {name: type(answer()) for name, answer in answers.items()}
    assert found.pop("search_runs") is pandas.DataFrame
    assert set(found.values()) == {pyarrow.Table}


def test_every_format_has_the_same_rows(answers: dict[str, Callable[..., Any]]) -> None:
    for name, answer in answers.items():
        rows = answer(output_format="arrow").to_pylist()
        assert repr(answer(output_format="polars").to_dicts()) == repr(rows), name  # NaN
        if name == "search_runs":  # its list has runs
            continue
        assert answer(output_format="list") == rows, name
        assert answer(output_format="pandas").to_dict("records") == rows, name


def test_every_answer_refuses_an_unknown_format(
    answers: dict[str, Callable[..., Any]],
) -> None:
    for answer in answers.values():
        with pytest.raises(InvalidInputError, match="'arrow', 'polars', 'pandas' and 'list'"):
            answer(output_format="csv")


@pytest.mark.parametrize("output_format", ["polars", "pandas"])
def test_a_missing_package_is_named(
    answers: dict[str, Callable[..., Any]],
    output_format: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, output_format, None)
    for answer in answers.values():
        with pytest.raises(LakeflowException, match=f"needs {output_format}") as error:
            answer(output_format=output_format)
        assert error.value.error_code == "FEATURE_DISABLED"
        assert len(answer(output_format="arrow")) == 2, "which needs no extra"


def test_a_search_goes_back_to_a_fold(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    before = found(run_view_type=ViewType.ALL)
    assert found(as_of=0).is_empty()
    lakeflow.compact(uri)
    version = client._store.lake.fold().versions["runs"]
    changed(client, runs)
    lakeflow.compact(uri)
    then = found(run_view_type=ViewType.ALL, as_of=version)
    assert then.equals(before, null_equal=True)
    listed = lakeflow.search_runs(output_format="list", as_of=version)
    assert [run.info.run_name for run in listed] == ["second", "first"]


def test_experiments_come_all_at_once(
    client: LakeflowClient, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakeflow.set_tracking_uri(uri)
    monkeypatch.setattr("lakeflow.fluent.pages._MOST_RESULTS_A_PAGE", 2)
    for number in range(5):
        client.create_experiment(f"e{number}")
    names = [each.name for each in lakeflow.search_experiments(order_by=["name"])]
    assert names == ["Default", "e0", "e1", "e2", "e3", "e4"]
    assert len(lakeflow.search_experiments(max_results=3)) == 3
    assert lakeflow.search_experiments(ViewType.DELETED_ONLY) == []
    filtered = lakeflow.search_experiments(filter_string="name = 'e3'")
    assert [each.name for each in filtered] == ["e3"]


# metric_series


Point = tuple[int, int, float]


def evaluated(points: list[Point], max_points: int) -> list[tuple[Any, ...]]:
    """Return the buckets of a curve, in Python."""
    # Sorting is stable: at one step and time the order of logging stays.
    ordered = sorted(points, key=lambda point: point[:2])
    steps = [step for step, _, _ in ordered]
    buckets: dict[int, list[Point]] = defaultdict(list)
    for number, point in enumerate(ordered):
        if len(ordered) > max_points:
            number = (point[0] - steps[0]) * max_points // (steps[-1] - steps[0] + 1)
        buckets[number].append(point)
    answer = []
    for bucket in buckets.values():
        numbers = [value for _, _, value in bucket if not math.isnan(value)]
        last = bucket[-1]
        least, most = min(numbers, default=None), max(numbers, default=None)
        answer.append((last[0], least, most, last[2], len(bucket)))
    return answer


STEPS = st.one_of(st.integers(-5, 30), st.sampled_from([-(2**63), 2**63 - 1]))
VALUES = st.one_of(st.sampled_from([NAN, math.inf, -math.inf, 0.0]), st.integers(-9, 9))
POINTS = st.lists(st.tuples(STEPS, st.integers(0, 2), VALUES.map(float)), max_size=25)


CURVES = st.lists(POINTS, max_size=8)


# A lake and its fold take long and a curve does not, so an example has eight runs.
@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.data_too_large])
@given(stored=CURVES, hot=CURVES, sizes=st.lists(st.integers(1, 8), min_size=1, max_size=3))
def test_series_are_what_python_makes_of_the_points(
    stored: list[list[Point]], hot: list[list[Point]], sizes: list[int]
) -> None:
    client = LakeflowClient(f"memory://series-{next(_NUMBERS)}")
    ids = [client.create_run("0").info.run_id for _ in range(8)]
    points: dict[str, list[Point]] = {run_id: [] for run_id in ids}
    for part in (stored, hot):
        for run_id, some in zip(ids, part, strict=False):
            points[run_id] += some
            client.log_batch(run_id, [Metric("m", value, at, step) for step, at, value in some])
            client.log_metric(run_id, "other", 1.0, 1, 1)
        if part is stored:
            lakeflow.compact(client.tracking_uri)
    ids.reverse()
    for n in sizes:
        table = lakeflow.metric_series(ids, "m", n, tracking_uri=client.tracking_uri)
        wanted = [(run_id, *row) for run_id in ids for row in evaluated(points[run_id], n)]
        assert table.column_names == ["run_id", "step", "min", "max", "last", "count"]
        assert repr([tuple(row.values()) for row in table.to_pylist()]) == repr(wanted)


def curves(*args: Any, **arguments: Any) -> polars.DataFrame:
    return lakeflow.metric_series(*args, output_format="polars", **arguments)


def test_a_series_keeps_the_last_point_and_what_is_odd(
    client: LakeflowClient, runs: list[str], uri: str
) -> None:
    points = [Metric("µ/long", n % 10, n, n) for n in range(10_000)]
    client.log_batch(runs[0], [*points, Metric("µ/long", NAN, 10_000, 10_000)])

    def check() -> None:
        curve = curves([runs[0], runs[2], "0" * 32, runs[0]], "µ/long", 10)
        assert curve.height == 10
        assert curve["count"].sum() == 10_001
        assert (curve["min"].to_list(), curve["max"].to_list()) == ([0] * 10, [9] * 10)
        assert curve.row(-1)[1] == 10_000
        assert math.isnan(curve.row(-1)[4])
        deleted = curves([runs[2]], "loss", tracking_uri=uri)
        assert deleted.rows() == [(runs[2], 1, 9.0, 9.0, 9.0, 1)]
        only_nan = curves([runs[1]], "accuracy")
        assert only_nan.row(0)[1:4] == (1, None, None)

    check()
    lakeflow.compact(uri)
    check()
    client.log_metric(runs[0], "else", 1.0)
    check()


def test_a_series_of_nothing_is_empty(client: LakeflowClient, runs: list[str]) -> None:
    types = [polars.String, polars.Int64, *[polars.Float64] * 3, polars.Int64]
    for ids in ([], runs):
        curve = curves(ids, "no such metric")
        assert (curve.height, curve.dtypes) == (0, types)


@pytest.mark.parametrize("max_points", [0, -1, True, 1.5])
def test_a_series_needs_a_size(
    client: LakeflowClient, runs: list[str], max_points: Any
) -> None:
    with pytest.raises(InvalidInputError, match="max_points"):
        lakeflow.metric_series(runs, "loss", max_points)


def test_wrong_series_are_refused(client: LakeflowClient, runs: list[str]) -> None:
    for wrong in (runs[0], None):
        with pytest.raises(InvalidInputError, match="list of ids"):
            lakeflow.metric_series(wrong, "loss")  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError, match="'csv'"):
        lakeflow.metric_series(runs, "loss", output_format="csv")  # type: ignore[call-overload]
    with pytest.raises(InvalidInputError):
        lakeflow.metric_series(["../x"], "loss")


def test_many_runs_have_series_too(another_process: Callable[..., Store], uri: str) -> None:
    store = another_process(uri, auto_compact=False)
    ids = [store.runs.create("0", start_time=n).info.run_id for n in range(1, 1_003)]
    for run_id in ids:
        store.runs.log_metric(run_id, "m", 1.0, 1, 1)
    compact_lake(store.lake)
    found = lakeflow.metric_series(ids, "m", tracking_uri=uri)
    assert found["run_id"].to_pylist() == ids
