"""What each call asks of an object store, counted by a proxy in front of one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
from servers import proxy

from lakeflow.config import Settings
from lakeflow.entities import Metric, Param
from lakeflow.exceptions import StorageError
from lakeflow.filesystem.location import open_filesystem
from lakeflow.lake import Lake
from lakeflow.maintenance.compact import compact_lake
from lakeflow.maintenance.verification import verify_artifacts
from lakeflow.schema import SPANS
from lakeflow.stores.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from servers.s3 import S3Server


@pytest.fixture(scope="module")
def server(double: S3Server) -> S3Server:
    double.make_bucket("budget")
    return double


@pytest.fixture
def counted(server: S3Server) -> Iterator[proxy.Proxy]:
    with proxy.Proxy(server.port) as running:
        yield running


@pytest.fixture
def open_store(
    server: S3Server, counted: proxy.Proxy, tmp_path: Path
) -> Callable[[str], Store]:
    """Return a function that opens the lake as another machine would."""
    options = server.through(counted.endpoint_url).storage_options

    def opened(machine: str, **given: Any) -> Store:
        folder = str(tmp_path / machine)
        settings = Settings(auto_compact=False, cache_folder=folder, **given)
        fs = open_filesystem(f"s3://budget/{tmp_path.name}", options, settings)
        return Store(Lake.on(fs, settings))

    return opened


def spent(counted: proxy.Proxy) -> dict[str, int]:
    requests = Counter(request.method for request in counted.requests)
    counted.clear()
    return dict(requests)


def test_logging_is_one_put(open_store: Callable[..., Store], counted: proxy.Proxy) -> None:
    # However slow the machine is, what was seen of the experiment is fresh enough.
    store = open_store("writer", check_interval_ms=600_000)
    store.runs.create("0")
    spent(counted)
    run_id = store.runs.create("0", tags={"a": 1}, run_name="name").info.run_id
    assert spent(counted) == {"PUT": 1}
    store.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    assert spent(counted) == {"PUT": 1}
    store.runs.log_param(run_id, "p", 1)
    assert spent(counted) == {"PUT": 1}
    metrics = [Metric(f"m{n}", n, n, n) for n in range(5_000)]
    store.runs.log_batch(run_id, metrics, [Param("q", "1")])
    assert spent(counted) == {"PUT": 1}
    store.terminate(run_id)
    assert spent(counted) == {"PUT": 1}


def test_a_change_of_the_registry_is_one_put_and_a_look_one_request(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    store = open_store("writer")
    store.models.create("m")
    for _ in range(2):
        store.model_versions.create("m", "s3://models/m")
    store.models.set_alias("m", "champion", 1)
    spent(counted)
    for change in (
        lambda: store.models.set_alias("m", "champion", 2),
        lambda: store.models.delete_alias("m", "champion"),
        lambda: store.models.set_alias("m", "champion", 1),
        lambda: store.models.set_tag("m", "k", 1),
        lambda: store.model_versions.set_tag("m", 1, "k", 1, None),
        lambda: store.model_versions.delete_tag("m", 1, "k", None),
        lambda: store.model_versions.delete("m", 2),
        lambda: store.models.rename("m", "n"),
    ):
        change()
        assert spent(counted) == {"PUT": 1}
    for look in (
        lambda: store.model_versions.get_by_alias("n", "champion"),
        lambda: store.model_versions.get("n", 1),
        lambda: store.models.get("n"),
        lambda: store.model_versions.download_uri("n", 1),
    ):
        look()
        assert sum(spent(counted).values()) == 1
    for made in (
        lambda: store.models.create("o"),
        lambda: store.model_versions.create("o", "s3://models/o"),
        lambda: store.model_versions.create("p", "s3://models/p", makes_model=True),
        lambda: store.models.update("o", "d"),
        lambda: store.model_versions.update("o", 1, "d"),
    ):
        made()
        assert spent(counted) == {"PUT": 1}
    # What a URI names is looked up first.
    store.model_versions.copy("models:/o/1", "q")
    assert spent(counted) == {"GET": 1, "PUT": 1}


def test_asynchronous_logging_is_one_put_a_flush(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    store = open_store("writer")
    run_id = store.runs.create("0").info.run_id
    spent(counted)
    for step in range(500):
        store.log(False, store.runs.log_metric, run_id, "loss", step, step, step)
    store.terminate(run_id)
    # What was gathered in the interval that had begun, what came after, and the end.
    assert spent(counted)["PUT"] <= 3
    assert len(open_store("reader").runs.history(run_id, "loss")) == 500


def test_reading_again_costs_two_requests_and_what_is_new(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    writer, reader = open_store("writer"), open_store("reader")
    folded = writer.runs.create("0").info.run_id
    writer.runs.log_metric(folded, "loss", 1.0, 1, 1)
    compact_lake(writer.lake)
    run_id = writer.runs.create("0").info.run_id
    writer.runs.log_metric(run_id, "loss", 2.0, 1, 1)

    def search() -> int:
        return len(reader.runs.search(["0"], "metrics.loss > 0"))

    assert search() == 2
    spent(counted)
    assert search() == 2
    assert spent(counted) == {"GET": 2}, "a listing of the log, a look for a newer fold"
    reader.runs.get(run_id)
    assert spent(counted) == {"GET": 2}
    reader.runs.get(folded)
    assert spent(counted)["GET"] <= 3
    for step in range(5):
        writer.runs.log_metric(run_id, "loss", 3.0, step, step)
    spent(counted)
    assert search() == 2
    assert spent(counted) == {"GET": 2 + 5}
    writer.runs.get(run_id)
    spent(counted)
    writer_reads = writer.runs.get(run_id)
    assert writer_reads.data.metrics == {"loss": 3.0}
    assert spent(counted) == {"GET": 2}, "a writer keeps what it has written"
    compact_lake(writer.lake)
    spent(counted)
    reader.runs.get(run_id)
    calls = spent(counted)
    assert calls["GET"] <= 2 + 3 + 3, "the new fold, and one row group: no segment again"


def test_a_reader_that_may_be_stale_asks_for_nothing(
    open_store: Callable[[str], Store], counted: proxy.Proxy, server: S3Server, tmp_path: Path
) -> None:
    writer = open_store("writer")
    run_id = writer.runs.create("0").info.run_id
    settings = Settings(
        auto_compact=False, cache_folder=str(tmp_path / "dashboard"), staleness_s=3600
    )
    options = server.through(counted.endpoint_url).storage_options
    fs = open_filesystem(f"s3://budget/{tmp_path.name}", options, settings)
    dashboard = Store(Lake.on(fs, settings))
    assert dashboard.runs.get(run_id).data.metrics == {}
    writer.runs.log_metric(run_id, "loss", 1.0, 1, 1)
    spent(counted)
    assert dashboard.runs.get(run_id).data.metrics == {}
    assert spent(counted) == {}
    dashboard.runs.set_tag(run_id, "seen", "yes")
    assert dashboard.runs.get(run_id).data.metrics == {"loss": 1.0}, "its own writes it sees"


def test_a_cold_search_and_a_curve_take_few_requests(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    writer = open_store("writer")
    ids = []
    for number in range(400):
        ids.append(writer.runs.create("0").info.run_id)
        metrics = [Metric(f"m{n}", number + n, 1, 1) for n in range(10)]
        writer.runs.log_batch(ids[-1], metrics, [Param("p", str(number % 3))])
        if number % 100 == 99:
            compact_lake(writer.lake)
    curve = [Metric("curve", step / 7, step, step) for step in range(20_000)]
    writer.runs.log_batch(ids[0], curve)
    compact_lake(writer.lake)
    reader = open_store("reader")
    spent(counted)
    found = reader.runs.search(
        ["0"],
        "metrics.m3 > 5 AND params.p = '1'",
        max_results=100,
        order_by=["metrics.m5 DESC"],
    )
    assert len(found) == 100
    calls = spent(counted)
    assert set(calls) == {"GET"}
    assert calls["GET"] <= 40
    files = [
        file
        for file in reader.lake.files("metrics", reader.lake.fold())
        if file.may_hold("run_id", [ids[0]])
    ]
    spent(counted)
    assert len(reader.runs.history(ids[0], "curve")) == 20_000
    curve_bytes = sum(
        request.received_bytes for request in counted.requests if ".parquet" in request.path
    )
    # The points of the curve are most of these files, and a block is 64 KiB.
    assert curve_bytes <= sum(file.size for file in files) + 4 * 65_536 * len(files)
    spent(counted)
    reader.runs.history(ids[0], "curve")
    paths = [f"{request.operation} {request.path}" for request in counted.requests]
    assert len(paths) == 2, paths


def test_a_compaction_lists_the_log_twice(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    """A listing is a request a thousand segments, and those of a fleet are many thousands."""
    writer, compactor = open_store("writer"), open_store("compactor")
    for _ in range(2):
        run_id = writer.runs.create("0").info.run_id
        for step in range(10):
            writer.runs.log_metric(run_id, "loss", 3.0, step, step)
        spent(counted)
        assert len(compact_lake(compactor.lake).folds) == 1
        listed = [each.query for each in counted.requests if "%2Flog%2F" in each.query]
        assert len(listed) == 2, listed


def test_tables_are_put_whole_and_read_with_one_request_each(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    store = open_store("tables")
    first, second = (store.runs.create("0").info.run_id for _ in range(2))
    store.tables.log(first, {"a": [1]}, "t.json")
    counted.clear()
    # The tag is looked up with two of them; the table and the line of the log are put.
    store.tables.log(second, {"a": [1]}, "t.json")
    assert spent(counted) == {"GET": 3, "HEAD": 1, "PUT": 2}
    store.tables.log(first, {"a": [2]}, "t.json")
    assert spent(counted) == {"GET": 3, "HEAD": 1, "PUT": 2}
    assert store.tables.load("0", "t.json")["a"].sum() == 4
    paths = [request.path for request in counted.requests]
    assert sum(path.endswith("t.json") for path in paths) == 2
    assert len(paths) <= 8


def test_a_check_of_artifacts_is_a_listing_a_run_and_a_read_a_file(
    open_store: Callable[..., Store], counted: proxy.Proxy
) -> None:
    store = open_store("checker", remote_deadline_s=0.1)
    ids = [store.runs.create("0").info.run_id for _ in range(2)]
    for run_id in ids:
        for name in ("a", "b/c", "d"):
            store.artifacts.log_text(run_id, name, name)

    def asked(**options: bool) -> dict[str, int]:
        counted.clear()
        assert verify_artifacts(store, **options).findings == []
        return dict(
            Counter(
                each.operation
                for each in counted.requests
                if "/artifacts/0/" in unquote(f"{each.path}?{each.query}")
            )
        )

    assert asked(is_quick=True) == {"ListObjects": 2}
    assert asked() == {"ListObjects": 2, "GetObject": 6}
    refused = proxy.Fault("status", "GET", rf"{ids[0]}/artifacts/d$", arg=403)
    refused.code = "AccessDenied"
    counted.faults.append(refused)
    (finding,) = verify_artifacts(store).findings
    assert (finding.problem, finding.path) == ("unreadable", "d")
    # What is said of a store that is away is not said of a file.
    counted.faults.append(proxy.Fault("status", "GET", "/artifacts/d$", count=None, arg=503))
    with pytest.raises(StorageError, match="artifacts/d"):
        verify_artifacts(store)


def test_a_trace_is_a_few_requests(
    open_store: Callable[[str], Store], counted: proxy.Proxy
) -> None:
    writer = open_store("writer")
    ids = [f"tr-{number * 7919:032x}" for number in range(200)]
    for number, trace_id in enumerate(ids):
        writer.traces.log_spans("0", spans(trace_id, number))
    compact_lake(writer.lake)
    reader = open_store("reader")
    reader.traces.get(ids[0])
    counted.clear()
    trace = reader.traces.get(ids[100])
    assert len(trace.data.spans) == 10
    # A look at the log, and one at the folds; the file is small, and here since the first trace.
    assert spent(counted) == {"GET": 2}


def spans(trace_id: str, number: int) -> dict[str, list[Any]]:
    begun = 1_790_000_000 * 10**9 + number * 10**9
    row = {"trace_id": trace_id, "name": "step", "span_type": "TOOL", "kind": "INTERNAL"}
    row |= {"status": "OK", "attributes": "{}", "inputs": f'"{"x" * 500}"'}
    found: dict[str, list[Any]] = {
        name: [row.get(name)] * 10
        for name in SPANS.column_names
        if name not in {"experiment_id", "day"}
    }
    return found | {
        "span_id": [f"{place:016x}" for place in range(10)],
        "start_time_ns": [begun + place for place in range(10)],
        "end_time_ns": [begun + 10**6] * 10,
    }
