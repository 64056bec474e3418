"""Models, traces and datasets of an import that was stopped at any write are there once, in the end."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from lakeflow.config import Settings
from lakeflow.entities import AssessmentSource, Feedback, TraceInfo, TraceState
from lakeflow.filesystem.location import open_filesystem
from lakeflow.importing import beside_runs, importer
from lakeflow.importing.destination import registered_models
from lakeflow.importing.evaluation_items import (
    DatasetRecordItem,
    EvaluationDatasetItem,
    ScorerVersionItem,
)
from lakeflow.importing.items import ExperimentItem, FileItem, RunItem
from lakeflow.importing.model_items import (
    LoggedModelItem,
    ModelPoint,
    ModelVersionItem,
    RegisteredModelItem,
)
from lakeflow.importing.source import Wanted
from lakeflow.importing.trace_items import TraceItem, span_columns
from lakeflow.lake import Lake
from lakeflow.log.positions import list_segments
from lakeflow.maintenance.compact import compact_lake
from lakeflow.stores.store import Store
from lakeflow.testing.faults import Fault, FaultFilesystem, Killed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lakeflow.importing.report import ImportReport

SETTINGS = Settings(auto_compact=False, vacuum_grace_s=0)
BEGIN = 1_600_000_000_000
RUN = "a" * 32
MODELS = [f"m-{number:032x}" for number in range(2)]
TRACES = [f"tr-{number:032x}" for number in range(2)]
DATASET = "d-" + "1" * 32
_LAKES = itertools.count()


class Held:
    """A source in memory with models, traces and a dataset beside one run."""

    name = "memory"

    def __init__(
        self, file: Path, *, changed: int = BEGIN + 9, merged: int = 0, records: int = 2
    ) -> None:
        self._file = file
        self._records = records
        self._changed = changed
        self._merged = merged

    def experiments(self) -> Iterator[ExperimentItem]:
        yield ExperimentItem("7", "one")

    def runs(self, experiment: ExperimentItem, since: int | None) -> Iterator[RunItem]:
        yield RunItem(RUN, "7", BEGIN, BEGIN + 1, models_made={MODELS[0]: 1})

    def curves(self, run: RunItem) -> Iterator[Any]:
        return iter(())

    def counts(self, run: RunItem) -> dict[str, int]:
        return {}

    def files(self, run: RunItem) -> Iterator[FileItem]:
        return iter(())

    def report_to(self, report: Any) -> None:
        pass

    def close(self) -> None:
        pass

    def registered_models(self) -> Iterator[RegisteredModelItem]:
        for name in ("a", "b"):
            tags, aliases = {"t": name}, {"best": 3, "first": 1}
            yield RegisteredModelItem(name, BEGIN, BEGIN + 9, tags=tags, aliases=aliases)

    def model_versions(self, model: RegisteredModelItem) -> Iterator[ModelVersionItem]:
        for number in (1, 3, 4):
            source = f"models:/{MODELS[0]}" if number == 1 else "s3://bucket/net"
            stage = "None" if number == 1 else "Staging"
            tags = {"n": str(number)}
            yield ModelVersionItem(number, BEGIN, BEGIN, source, stage=stage, tags=tags)

    def logged_models(self, experiments: Any) -> Iterator[LoggedModelItem]:
        for model_id in MODELS:
            yield LoggedModelItem(
                model_id, "7", "net", BEGIN, BEGIN + 5, "/there", params={"p": "1"},
                tags={"t": "1"}, point_count=5,
            )  # fmt: skip

    def model_points(self, model: LoggedModelItem) -> Iterator[list[ModelPoint]]:
        for key in ("acc", "loss"):
            yield [ModelPoint(key, step / 2, BEGIN, step, RUN) for step in range(2)]
        yield [ModelPoint("loss", float("nan"), BEGIN, 2, RUN)]

    def model_files(self, model: LoggedModelItem) -> Iterator[FileItem]:
        yield FileItem("net.bin", str(self._file), self._file.stat().st_size)

    def traces(self, experiment: ExperimentItem, since: int | None) -> Iterator[TraceItem]:
        source = AssessmentSource("HUMAN", "me")
        for trace_id in TRACES:
            said = Feedback("good", True, source=source, trace_id=trace_id, assessment_id="a-1")
            info = TraceInfo(
                trace_id, "7", BEGIN, TraceState.OK, 3, {"m": "1"}, {"t": "1"},
                assessments=[said],
            )  # fmt: skip
            spans = [self._span(number) for number in range(4)]
            yield TraceItem(info, span_columns(trace_id, spans), {RUN: BEGIN})

    def evaluation_datasets(self, experiments: object) -> Iterator[EvaluationDatasetItem]:
        yield EvaluationDatasetItem(
            DATASET, "asked", BEGIN, self._changed, tags={"t": "1"}, experiments={"7": BEGIN}
        )

    def dataset_records(
        self, dataset: EvaluationDatasetItem
    ) -> Iterator[list[DatasetRecordItem]]:
        for number in range(self._records):
            given = {"inputs": {"n": number}, "outputs": "long" * 200}
            made = BEGIN + number
            yield [DatasetRecordItem(given, made, self._merged or made, None, None)]

    def scorer_versions(self, experiments: Any) -> Iterator[Any]:
        for number in (1, 2):
            made = max(BEGIN, self._merged if number == 2 else 0)
            yield ScorerVersionItem("7", "judge", number, f'{{"n": {number}}}', made)

    @staticmethod
    def _span(number: int) -> dict[str, Any]:
        return {
            "span_id": f"{number:016x}", "parent_span_id": None, "name": f"span {number}",
            "start_time_unix_nano": BEGIN * 10**6 + number, "end_time_unix_nano": None,
            "attributes": {},
        }  # fmt: skip


def opened(fs: Any) -> Store:
    return Store(Lake.on(fs, SETTINGS))


def brought(held: Held, fs: Any) -> ImportReport:
    return importer.import_source(held, opened(fs), Wanted())


def assert_holds(fs: Any) -> None:
    store = opened(fs)
    for name in ("a", "b"):
        model = store.models.get(name)
        assert (model.tags, model.aliases) == ({"t": name}, {"best": 3, "first": 1})
        latest = {each.current_stage: each.version for each in model.latest_versions}
        assert latest == {"None": 1, "Staging": 4}
        for number in (1, 3, 4):
            assert store.model_versions.get(name, number).tags == {"n": str(number)}
        assert "/7/models/m-" in store.model_versions.download_uri(name, 1)
    found = store.model_versions.search(None, 100, None, None)
    assert sorted((each.name, each.version) for each in found) == [
        (name, number) for name in ("a", "b") for number in (1, 3, 4)
    ]
    for model_id in MODELS:
        logged = store.logged_models.get(model_id)
        assert (logged.params, logged.tags) == ({"p": "1"}, {"t": "1"})
        points = sorted((each.key, each.step, repr(each.value)) for each in logged.metrics)
        assert points == [
            ("acc", 0, "0.0"), ("acc", 1, "0.5"),
            ("loss", 0, "0.0"), ("loss", 1, "0.5"), ("loss", 2, "nan"),
        ]  # fmt: skip
        assert [each.path for each in store.model_files.listing(model_id)] == ["net.bin"]
    for trace_id in TRACES:
        trace = store.traces.get(trace_id)
        assert [each.name for each in trace.data.spans] == [f"span {n}" for n in range(4)]
        assert (trace.info.state, trace.info.trace_metadata) == (TraceState.OK, {"m": "1"})
        assert [each.assessment_id for each in trace.info.assessments] == ["a-1"]
    assert len(store.traces.search(["7"], run_id=RUN)) == len(TRACES)
    dataset = store.evaluation_datasets.get(DATASET)
    assert (dataset.tags, dataset.experiment_ids) == ({"t": "1"}, ["7"])
    versions = store.scorers.versions("7", "judge")
    assert [each.scorer_version for each in versions] == [1, 2]
    asked = store.evaluation_datasets.load(DATASET)
    assert sorted(each.inputs["n"] for each in asked) == [0, 1]


def test_what_was_removed_in_the_lake_comes_back_only_where_it_was_made_anew(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.bin").write_text("weights")
    fs = open_filesystem(f"memory://removed-{next(_LAKES)}")
    assert brought(Held(tmp_path / "net.bin"), fs).is_complete

    def asked() -> tuple[list[int], list[int]]:
        store = opened(fs)
        records = store.evaluation_datasets.load(DATASET)
        latest = store.scorers.latest("7")
        versions = store.scorers.versions("7", "judge") if latest else []
        return (
            sorted(each.inputs["n"] for each in records),
            [each.scorer_version for each in versions],
        )

    store = opened(fs)
    first, _ = store.evaluation_datasets.load(DATASET)
    assert store.evaluation_datasets.delete_records(DATASET, [first.dataset_record_id]) == 1
    store.scorers.delete("7", "judge")
    left = asked()
    assert (len(left[0]), left[1]) == (1, [])
    later = store.lake.clock.next() // 1_000 + 60_000
    # Of the dataset something else has changed.
    assert brought(Held(tmp_path / "net.bin", changed=later), fs)
    assert asked() == left
    # The record too, though before it was removed: no import had brought that.
    compact_lake(store.lake)
    brought(Held(tmp_path / "net.bin", changed=later, merged=BEGIN + 5), fs)
    assert asked() == left
    brought(Held(tmp_path / "net.bin", changed=later + 1, merged=later), fs)
    assert asked() == ([0, 1], [2])


def test_what_is_new_of_a_dataset_comes_though_the_lake_has_changed_it_since(
    tmp_path: Path,
) -> None:
    (tmp_path / "net.bin").write_text("weights")
    fs = open_filesystem(f"memory://changed-{next(_LAKES)}")
    assert brought(Held(tmp_path / "net.bin"), fs).is_complete
    store = opened(fs)
    store.evaluation_datasets.upsert(DATASET, [{"inputs": {"n": 7}}])
    written = []
    for _ in range(2):
        assert brought(Held(tmp_path / "net.bin", records=3, changed=BEGIN + 20), fs)
        found = opened(fs).evaluation_datasets.load(DATASET)
        assert sorted(each.inputs["n"] for each in found) == [0, 1, 2, 7]
        lines = b"".join(fs.read(path) for path in list_segments(fs))
        written.append(lines.count(b'"evaluation_dataset_records"'))
    assert written[0] == written[1] == 2 + 1 + 1, "what is there is not written again"


@pytest.mark.parametrize(("when", "first"), [("after", 1), ("torn", 2)])
def test_stopped_at_every_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: Any, first: int
) -> None:
    monkeypatch.setattr(importer, "_CHARACTERS_A_WRITE", 600)
    monkeypatch.setattr(registered_models, "_CHARACTERS_OF_AN_EVENT", 2_000)
    for name in ("TRACES_AT_ONCE", "MODELS_AT_ONCE"):
        monkeypatch.setattr(beside_runs, name, 1)
    (tmp_path / "net.bin").write_text("weights")
    held = Held(tmp_path / "net.bin")
    for write in itertools.count(first, 2):
        fs = open_filesystem(f"memory://stopped-models-{next(_LAKES)}")
        opened(fs)
        faulty = FaultFilesystem(fs, Fault(write, when))
        with contextlib.suppress(Killed):
            brought(held, faulty)
        if not faulty.is_dead:
            break
        report = brought(held, fs)
        assert report.problems == []
        assert report.is_complete
        assert_holds(fs)
    assert write > 15
