"""What a lake holds is in MLflow after an export: once, whole, and as it was."""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

import lakeflow
from lakeflow import LakeflowClient, cli
from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric
from lakeflow.exceptions import InvalidInputError, NotFoundError
from lakeflow.importing import import_from
from lakeflow.importing.sources.mlflow.opening import open_mlflow
from lakeflow.mlflow.exporting import runs, to_mlflow
from lakeflow.mlflow.exporting.points import lacking

if TYPE_CHECKING:
    from pathlib import Path

IS_2 = mlflow.__version__.startswith("2.")

_OF_SPANS = [
    "span_id",
    "parent_id",
    "name",
    "start_time_ns",
    "end_time_ns",
    "inputs",
    "outputs",
]

ODD = [1 / 3, math.nan, math.inf, -math.inf, -0.0, 1e300]
LONG = 10_000
STARTED = 1_700_000_000_000

# MLflow 3 wants no more file stores, and its server is tested in the newest alone.
KINDS = ["sqlite", "file"] if IS_2 else ["sqlite", "server"]


@pytest.fixture(params=KINDS)
def target(request: pytest.FixtureRequest, migrated: Path, tmp_path: Path) -> str:
    """The tracking URI of an MLflow."""
    if request.param == "server":
        return str(request.getfixturevalue("sqlite_server").url)
    return (
        (tmp_path / "mlruns").as_uri()
        if request.param == "file"
        else sqlite(migrated, tmp_path)
    )


def sqlite(migrated: Path, folder: Path) -> str:
    shutil.copy(migrated, folder / "mlflow.db")
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Artifacts of SQLite's experiments are in the folder that the process is in."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with two experiments, one deleted; some of it is compacted and some is not."""
    folder = tmp_path_factory.mktemp("lake of exports")
    uri = str(folder / "lake")
    client = LakeflowClient(uri)
    for name in ("Ünï 漢字", "gone"):
        experiment = client.create_experiment(f"{name} {folder}", tags={"ü": "漢"})
        ids = [run(client, experiment, number) for number in range(3)]
        client.delete_run(ids[1])
    client.delete_experiment(experiment)
    lakeflow.compact(uri)
    run_id = id_of(client, "run 0")
    client.log_batch(
        run_id, [Metric("long", math.sin(each), STARTED + each, each) for each in range(LONG)]
    )
    client.log_text(run_id, "ünï", "folder/file.txt")
    return uri


def name_in(client: Any) -> str:
    """The name of the experiment that is not deleted; no other lake has one of that name."""
    found = client.search_experiments(filter_string="name LIKE 'Ünï%'")
    return str(found[0].name)


def run(client: LakeflowClient, experiment: str, number: int) -> str:
    made = client.create_run(
        experiment, STARTED + number, {"mlflow.user": "ana"}, f"run {number}"
    )
    run_id = made.info.run_id
    for place, value in enumerate(ODD):
        client.log_metric(run_id, "odd/漢", value, STARTED + place, step=place - 2)
    client.log_batch(run_id, params=[_param(f"p{each}", f"ü{each}") for each in range(120)])
    client.set_tag(run_id, "Ünï", "👩‍🔬\n'\"")
    data = Dataset("digits", "d1", "local", '{"uri": "x"}', "{}", "{}")
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    if number != 2:
        client.set_terminated(run_id, "FAILED", STARTED + 60_000)
    return run_id


def _param(key: str, value: str) -> Any:
    from lakeflow.entities import Param

    return Param(key, value)


def id_of(client: LakeflowClient, name: str) -> str:
    experiment = client.get_experiment_by_name(name_in(client))
    (found,) = client.search_runs(
        [experiment.experiment_id], f"attributes.run_name = '{name}'", ViewType.ALL
    )
    return str(found.info.run_id)


def points(client: Any, run_id: str, key: str) -> list[tuple[Any, ...]]:
    """A metric's points in an order of our own: SQL keeps the largest number for infinity."""
    largest = sys.float_info.max
    return sorted(
        (each.timestamp, each.step, repr(max(-largest, min(largest, each.value))))
        if not math.isnan(each.value)
        else (each.timestamp, each.step, "nan")
        for each in client.get_metric_history(run_id, key)
    )


def content(client: Any) -> dict[str, Any]:
    """What a client says of all experiments but the first, without what each makes itself."""
    found = {}
    for experiment in client.search_experiments(ViewType.ALL):
        for each in client.search_runs([experiment.experiment_id], "", ViewType.ALL, 1000):
            info, tags = each.info, each.data.tags
            name = f"{experiment.name}: {info.run_name}"
            assert name not in found
            found[name] = [
                (experiment.lifecycle_stage, sorted(experiment.tags.items())),
                (
                    info.user_id,
                    info.status,
                    info.start_time,
                    info.end_time,
                    info.lifecycle_stage,
                ),
                sorted(each.data.params.items()),
                sorted(item for item in tags.items() if not item[0].startswith("lakeflow.")),
                {key: points(client, info.run_id, key) for key in each.data.metrics},
                [
                    (
                        use.dataset.name,
                        use.dataset.digest,
                        use.dataset.source,
                        use.dataset.profile,
                    )
                    for use in each.inputs.dataset_inputs
                ],
                [
                    (tag.key, tag.value)
                    for use in each.inputs.dataset_inputs
                    for tag in use.tags
                ],
            ]
    return found


def there(target: str, lake: str) -> dict[str, Any]:
    """What MLflow has of the experiments of a lake."""
    names = {each.name for each in LakeflowClient(lake).search_experiments(ViewType.ALL)}
    # The lake has nothing in it, and other tests log to that of a server which they share.
    names.remove("Default")
    found = content(MlflowClient(target))
    return {name: value for name, value in found.items() if name.rpartition(": ")[0] in names}


def file_of_run_0(client: MlflowClient, lake: str, tmp_path: Path) -> str:
    """What is beside a run in MLflow, found by its id in the lake."""
    run_id = id_of(LakeflowClient(lake), "run 0")
    ids = [client.get_experiment_by_name(name_in(LakeflowClient(lake))).experiment_id]
    (found,) = client.search_runs(ids, f"tags.`lakeflow.run_id` = '{run_id}'")
    (tmp_path / "fetched").mkdir()
    fetched = str(tmp_path / "fetched")
    path = client.download_artifacts(found.info.run_id, "folder/file.txt", fetched)
    with open(path, encoding="utf-8") as file:
        return file.read()


def test_everything_is_there_once_and_as_it_was(lake: str, target: str, tmp_path: Path) -> None:
    report = to_mlflow(target, tracking_uri=lake)
    assert (report.is_complete, report.problems) == (True, [])
    assert report.lake["points"] == report.written["points"] == 6 * len(ODD) + LONG
    ours = content(LakeflowClient(lake))
    assert len(ours) == 6
    assert there(target, lake) == ours
    assert file_of_run_0(MlflowClient(target), lake, tmp_path) == "ünï"
    again = to_mlflow(target, tracking_uri=lake)
    assert (again.is_complete, +again.written) == (True, {})
    assert there(target, lake) == ours


def own(migrated: Path, folder: Path) -> str:
    """An MLflow that no other test writes to, of the kind that is usual in its version."""
    return (folder / "mlruns").as_uri() if IS_2 else sqlite(migrated, folder)


def test_what_came_to_the_lake_since_is_added(
    lake: str, migrated: Path, tmp_path: Path
) -> None:
    target, first = own(migrated, tmp_path), lake
    lake = str(tmp_path / "lake")
    lakeflow.copy(first, lake)
    to_mlflow(target, tracking_uri=lake)
    client = LakeflowClient(lake)
    by_name = {f"run {each}": id_of(client, f"run {each}") for each in range(3)}
    for place, value in enumerate(ODD):
        client.log_metric(by_name["run 2"], "odd/漢", value, STARTED + 100 + place, step=9)
    client.set_tag(by_name["run 2"], "new", "tag")
    client.set_terminated(by_name["run 2"], "FINISHED", STARTED + 70_000)
    client.restore_run(by_name["run 1"])
    client.delete_run(by_name["run 0"])
    client.create_run(client.get_run(by_name["run 2"]).info.experiment_id, run_name="run 3")
    report = to_mlflow(target, tracking_uri=lake)
    assert (report.is_complete, report.written["points"]) == (True, len(ODD))
    assert there(target, lake) == content(client)


_KILLED = """
import functools, os, signal, sys
from mlflow import MlflowClient
from lakeflow.mlflow.exporting import to_mlflow

left = int(sys.argv[3])

def dying(method):
    @functools.wraps(method)
    def call(*args, **kwargs):
        global left
        found = method(*args, **kwargs)
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    return call

for name in ("create_experiment", "log_batch", "log_inputs", "set_tag", "delete_run"):
    setattr(MlflowClient, name, dying(getattr(MlflowClient, name)))
to_mlflow(sys.argv[2], tracking_uri=sys.argv[1])
"""


def test_one_that_is_killed_goes_on(lake: str, migrated: Path, tmp_path: Path) -> None:
    target = own(migrated, tmp_path)
    for count in (7, 16):
        words = [sys.executable, "-c", _KILLED, lake, target, str(count)]
        assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    report = to_mlflow(target, tracking_uri=lake)
    assert report.is_complete
    assert 0 < report.written["points"] < report.lake["points"]
    assert there(target, lake) == content(LakeflowClient(lake))


def test_from_mlflow_to_a_lake_and_back_is_equal(tmp_path: Path, migrated: Path) -> None:
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    uri = sqlite(migrated, tmp_path / "before")
    before = MlflowClient(uri, uri)
    files = (tmp_path / "before/files").as_uri()
    for name in ("Ünï 漢字 👩‍🔬", "gone"):
        experiment = before.create_experiment(name, files, {"ü": "漢\n'"})
        ids = [_run_of_mlflow(before, experiment, number) for number in range(3)]
        before.delete_run(ids[1])
    before.delete_experiment(experiment)
    (tmp_path / "note.txt").write_text("ünï")
    before.log_artifact(_first(before), str(tmp_path / "note.txt"), "a/b")
    lake = str(tmp_path / "lake")
    assert import_from(open_mlflow(uri), lake).is_complete
    shutil.rmtree(tmp_path / "before/files")
    again = sqlite(migrated, tmp_path / "after")
    assert to_mlflow(again, tracking_uri=lake).is_complete
    after = MlflowClient(again, again)
    assert content(after) == content(before)
    assert len(points(after, _first(after), "long")) == LONG
    assert [each.path for each in after.list_artifacts(_first(after), "a/b")] == [
        "a/b/note.txt"
    ]


def _first(client: MlflowClient) -> str:
    (experiment,) = client.search_experiments(filter_string="name LIKE 'Ünï%'")
    condition = "attributes.run_name = 'run 0'"
    (found,) = client.search_runs([experiment.experiment_id], condition)
    return str(found.info.run_id)


def _run_of_mlflow(client: MlflowClient, experiment: str, number: int) -> str:
    made = client.create_run(
        experiment, STARTED + number, {"mlflow.user": "ana"}, f"run {number}"
    )
    run_id = str(made.info.run_id)
    odd = [
        mlflow.entities.Metric("odd/漢", value, STARTED, 5 - at) for at, value in enumerate(ODD)
    ]
    client.log_batch(run_id, odd, [mlflow.entities.Param("ü", "漢\n")])
    for start in range(0, LONG if number == 0 else 0, 1000):
        steps = range(start, start + 1000)
        client.log_batch(
            run_id,
            [mlflow.entities.Metric("long", math.sin(at), STARTED + at, at) for at in steps],
        )
    data = mlflow.entities.Dataset("digits", "d1", "local", "{}", "{}", "{}")
    context = mlflow.entities.InputTag("mlflow.data.context", "train")
    client.log_inputs(run_id, [mlflow.entities.DatasetInput(data, [context])])
    client.set_terminated(run_id, "KILLED", STARTED + 60_000)
    return run_id


def test_a_file_that_is_gone_is_told_of_and_the_rest_is_there(
    tmp_path: Path, migrated: Path
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    elsewhere = tmp_path / "elsewhere"
    run_id = client.create_run(client.create_experiment("x", elsewhere.as_uri())).info.run_id
    client.log_text(run_id, "text", "a.txt")
    client.log_metric(run_id, "m", 1.0)
    (path,) = elsewhere.rglob("a.txt")
    path.rename(tmp_path / "away")
    path.symlink_to(tmp_path / "nowhere")
    target = sqlite(migrated, tmp_path)
    report = to_mlflow(target, tracking_uri=tmp_path / "lake")
    assert [each.where for each in report.problems] == [f"run {run_id}, files"]
    assert report.there["points"] == 1
    path.unlink()
    (tmp_path / "away").rename(path)
    again = to_mlflow(target, tracking_uri=tmp_path / "lake")
    assert (again.is_complete, again.written["files"], again.written["points"]) == (True, 1, 0)


def test_a_text_that_is_too_long_for_mlflow_is_told_of_each_time(
    tmp_path: Path, migrated: Path
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_param(run_id, "long", "ü" * 20_000)
    client.log_param(run_id, "short", "x")
    target = sqlite(migrated, tmp_path)
    for _ in range(2):
        report = to_mlflow(target, tracking_uri=tmp_path / "lake")
        assert [each.where for each in report.problems] == [f"run {run_id}, param 'long'"]
        assert not report.is_complete
        assert (report.lake["params"], report.there["params"]) == (2, 1)


def test_models_keep_numbers_aliases_and_stages(tmp_path: Path, target: str) -> None:
    client, name = LakeflowClient(tmp_path / "lake"), f"model of '{tmp_path.name}'"
    run_id = client.create_run("0", run_name=str(tmp_path)).info.run_id
    client.create_registered_model(name, tags={"k": "ü"}, description="what")
    for number in range(1, 6):
        client.create_model_version(
            name, f"runs:/{run_id}/model", run_id, {"n": str(number)}, description=f"d{number}"
        )
    for number in ("1", "3"):
        client.delete_model_version(name, number)
    client.set_registered_model_alias(name, "best", "4")
    client.transition_model_version_stage(name, "5", "Production")
    for _ in range(2):
        report = to_mlflow(target, tracking_uri=tmp_path / "lake")
        assert (report.is_complete, report.problems) == (True, [])
        assert report.there["versions"] == 3
        registry = MlflowClient(target, target)
        model = registry.get_registered_model(name)
        assert (model.description, model.tags["k"]) == ("what", "ü")
        assert {alias: int(number) for alias, number in model.aliases.items()} == {"best": 4}
        versions = [registry.get_model_version(name, number) for number in ("2", "4", "5")]
        assert [(each.tags["n"], each.description) for each in versions] == [
            ("2", "d2"),
            ("4", "d4"),
            ("5", "d5"),
        ]
        assert versions[-1].current_stage == "Production"
        assert {registry.get_run(each.run_id).info.run_name for each in versions} == {
            str(tmp_path)
        }
    assert +report.written == {}


def test_a_model_that_is_not_of_this_lake_stays_as_it_is(
    tmp_path: Path, migrated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = sqlite(migrated, tmp_path)
    theirs = MlflowClient(target, target)
    theirs.create_registered_model("theirs", description="theirs")
    LakeflowClient(tmp_path / "other").create_registered_model("m", description="theirs")
    to_mlflow(target, tracking_uri=tmp_path / "other")
    for name in ("m", "theirs"):
        LakeflowClient(tmp_path / "lake").create_registered_model(name, description="ours")
    assert cli.main(["export", "mlflow", target, "--lake", str(tmp_path / "lake")]) == 1
    out = capsys.readouterr().out
    assert "lost: model 'm': MLflow has another model of this name already" in out
    assert "lost: model 'theirs': MLflow has another model of this name already" in out
    assert out.endswith("not complete: 2 things could not be kept\n")
    for name in ("m", "theirs"):
        assert theirs.get_registered_model(name).description == "theirs"


def test_a_dry_run_counts_and_writes_nothing(
    lake: str, migrated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = sqlite(migrated, tmp_path)
    assert cli.main(["export", "mlflow", target, "--lake", lake, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert [line.split() for line in out.splitlines() if line.startswith("runs")] == [
        ["runs", "6", "0", "0"]
    ]
    assert len(MlflowClient(target).search_experiments(ViewType.ALL)) == 1


def test_only_what_is_wanted_goes(lake: str, migrated: Path, tmp_path: Path) -> None:
    target, name = sqlite(migrated, tmp_path), name_in(LakeflowClient(lake))
    report = to_mlflow(
        target, tracking_uri=lake, experiments=[name], since=STARTED + 1, artifacts="leave"
    )
    assert report.is_complete
    assert [each.where for each in report.problems] == ["models", "artifacts"]
    names = {f"{name}: run 1", f"{name}: run 2"}
    assert content(MlflowClient(target)).keys() == names
    with pytest.raises(NotFoundError):
        to_mlflow(target, tracking_uri=lake, experiments=["typo"])
    with pytest.raises(InvalidInputError, match="lakeflow copy"):
        to_mlflow(f"lakeflow://{tmp_path}/other", tracking_uri=lake)


def test_points_that_are_alike_are_told_of(tmp_path: Path, migrated: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    for value in (2.0, 1.0, math.nan, math.nan, 1.0):
        client.log_metric(run_id, "m", value, STARTED, step=1)
    target = sqlite(migrated, tmp_path)
    report = to_mlflow(target, tracking_uri=tmp_path / "lake")
    assert report.is_complete
    assert [each.why.split()[0] for each in report.problems] == ["2"]
    assert report.written["points"] == 3
    (found,) = MlflowClient(target).search_runs(["0"])
    history = points(MlflowClient(target), found.info.run_id, "m")
    assert sorted(value for _, _, value in history) == ["1.0", "2.0", "nan"]


def test_points_that_are_there_are_told_by_their_values() -> None:
    rows = [("r", "k", value, 1, 1) for value in (1.0, math.nan, math.inf, 1.0, math.nan)]
    known = [Metric("k", value, 1, 1) for value in (math.nan, sys.float_info.max, 1.0)]
    assert [row[2] for row in lacking(rows, known)][:1] == [1.0]
    assert len([*lacking(rows, known)]) == 2
    assert [*lacking(rows, [])] == rows


if not IS_2:

    def test_traces_keep_ids_spans_and_assessments(tmp_path: Path, target: str) -> None:
        lake = str(tmp_path / "lake")
        client = LakeflowClient(lake)
        experiment = client.create_experiment(str(tmp_path))
        run_id = client.create_run(experiment).info.run_id
        root = client.start_trace(
            "root", inputs={"q": "ü"}, tags={"x": "漢"}, experiment_id=experiment
        )
        child = client.start_span("child", root.trace_id, root.span_id, attributes={"n": 1.5})
        client.end_span(root.trace_id, child.span_id, outputs=[1, None])
        client.end_trace(root.trace_id, outputs="ok", status="ERROR")
        client.link_traces_to_run([root.trace_id], run_id)
        lakeflow.set_tracking_uri(lake)
        lakeflow.log_feedback(trace_id=root.trace_id, name="good", value=True, rationale="漢")
        lakeflow.log_expectation(trace_id=root.trace_id, name="want", value={"a": [1]})
        for _ in range(2):
            report = to_mlflow(target, tracking_uri=lake)
            assert (report.is_complete, report.problems) == (True, [])
        assert +report.written == {}
        ours, theirs = (
            MlflowClient(uri).get_trace(root.trace_id) for uri in (f"lakeflow://{lake}", target)
        )
        assert of_trace(theirs) == of_trace(ours)
        target_experiment = MlflowClient(target).get_experiment_by_name(str(tmp_path))
        (run_there,) = MlflowClient(target).search_runs([target_experiment.experiment_id])
        linked = MlflowClient(target).search_traces(
            locations=[target_experiment.experiment_id], run_id=run_there.info.run_id
        )
        assert [each.info.trace_id for each in linked] == [root.trace_id]

    def test_links_of_traces_are_written_whenever_an_export_ends(
        tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lake, target = str(tmp_path / "lake"), sqlite(migrated, tmp_path)
        client = LakeflowClient(lake)
        run_ids = [client.create_run("0").info.run_id for _ in range(2)]
        root = client.start_trace("root", experiment_id="0")
        client.end_trace(root.trace_id)
        client.link_traces_to_run([root.trace_id], run_ids[0])

        def stopped(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(MlflowClient, "link_traces_to_run", stopped)
            with pytest.raises(KeyboardInterrupt):
                to_mlflow(target, tracking_uri=lake)
        there = MlflowClient(target)
        for count, run_id in enumerate(run_ids, 1):
            client.link_traces_to_run([root.trace_id], run_id)
            assert to_mlflow(target, tracking_uri=lake).problems == []
            linked = [
                there.search_traces(locations=["0"], run_id=each.info.run_id)
                for each in there.search_runs(["0"])
            ]
            assert len([each for each in linked if each]) == count

    def test_runs_name_models_of_an_experiment_that_comes_later(
        tmp_path: Path, migrated: Path
    ) -> None:
        client = LakeflowClient(tmp_path / "lake")
        target, there = sqlite(migrated, tmp_path), {}
        names = {name: f"{name} {tmp_path}" for name in "ab"}
        ids = {name: client.create_experiment(each) for name, each in names.items()}
        model_ids = {each: client.create_logged_model(ids[each], each).model_id for each in ids}
        for name, other in ("ab", "ba"):
            run_id = client.create_run(ids[name]).info.run_id
            made = lakeflow.entities.LoggedModelOutput(model_ids[other], 0)
            client.log_outputs(run_id, [made])
            alone = to_mlflow(target, tracking_uri=tmp_path / "lake", experiments=[names[name]])
            there[name] = alone.problems
        # As long as the other one is not there it is said.
        assert [len(problems) > 1 for problems in there.values()] == [True, True]
        report = to_mlflow(target, tracking_uri=tmp_path / "lake")
        assert (report.is_complete, report.problems) == (True, [])
        mlflows = MlflowClient(target)
        for name in names.values():
            experiment = mlflows.get_experiment_by_name(name)
            (run,) = mlflows.search_runs([experiment.experiment_id])
            assert len(run.outputs.model_outputs) == 1

    def test_traces_of_mlflow_come_to_a_lake_and_back(tmp_path: Path, migrated: Path) -> None:
        for name in ("before", "after"):
            (tmp_path / name).mkdir()
        uri, again = (sqlite(migrated, tmp_path / name) for name in ("before", "after"))
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("traced")
        with mlflow.start_span("root", span_type="AGENT", attributes={"n": 1.5}) as root:
            root.set_inputs({"q": "漢"})
            with mlflow.start_span("child") as child:
                child.set_outputs([1, None])
        mlflow.set_trace_tag(root.trace_id, "x", "ü")
        mlflow.log_feedback(trace_id=root.trace_id, name="good", value=0.5, rationale="why")
        lake = str(tmp_path / "lake")
        assert import_from(open_mlflow(uri), lake).is_complete
        assert to_mlflow(again, tracking_uri=lake).is_complete
        before, after = (MlflowClient(each).get_trace(root.trace_id) for each in (uri, again))
        assert of_trace(after) == of_trace(before)

    def of_trace(trace: Any) -> Any:
        info = trace.info
        return (
            (
                info.trace_id,
                info.state,
                info.request_time,
                info.execution_duration,
                info.tags["x"],
            ),
            (info.request_preview, info.response_preview),
            [_said(each) for each in info.assessments],
            [
                [getattr(each, name) for name in _OF_SPANS] + [each.attributes.get("n")]
                for each in trace.data.spans
            ],
        )

    def _said(assessment: Any) -> Any:
        return (
            assessment.assessment_id,
            assessment.name,
            assessment.value,
            assessment.rationale,
            assessment.create_time_ms,
        )

    def test_logged_models_keep_what_was_measured(tmp_path: Path, target: str) -> None:
        client = LakeflowClient(tmp_path / "lake")
        experiment = client.create_experiment(str(tmp_path))
        run_id = client.create_run(experiment).info.run_id
        model = client.create_logged_model(
            experiment,
            "digits",
            run_id,
            tags={"t": "ü"},
            params={"lr": "0.1"},
            model_type="agent",
        )
        client.log_metric(
            run_id,
            "acc",
            0.5,
            STARTED,
            3,
            model_id=model.model_id,
            dataset_name="d",
            dataset_digest="1",
        )
        client.log_outputs(run_id, [lakeflow.entities.LoggedModelOutput(model.model_id, 3)])
        client.finalize_logged_model(model.model_id, "READY")
        for _ in range(2):
            report = to_mlflow(target, tracking_uri=tmp_path / "lake")
            assert (report.is_complete, report.problems) == (True, [])
        assert +report.written == {}
        there = MlflowClient(target)
        ids = [there.get_experiment_by_name(str(tmp_path)).experiment_id]
        (found,) = there.search_logged_models(ids)
        (made_by,) = there.search_runs(ids)
        assert (found.name, found.model_type, found.params) == (
            "digits",
            "agent",
            {"lr": "0.1"},
        )
        assert (found.tags["t"], found.status.value) == ("ü", "READY")
        assert found.tags["lakeflow.model_id"] == model.model_id
        assert found.source_run_id == made_by.info.run_id
        (point,) = found.metrics
        assert (point.key, point.value, point.step, point.dataset_name) == ("acc", 0.5, 3, "d")
        assert [each.model_id for each in made_by.outputs.model_outputs] == [found.model_id]

    def test_prompts_and_sources_in_logged_models_are_there(
        tmp_path: Path, migrated: Path
    ) -> None:
        lake, target = f"lakeflow://{tmp_path}/lake", sqlite(migrated, tmp_path)
        client = MlflowClient(lake, lake)
        for template in ("Hello {{name}} ü", "Hi {{name}}"):
            client.register_prompt("greet", template, commit_message=template)
        client.set_prompt_alias("greet", "first", 1)
        model = client.create_logged_model("0", "digits")
        (tmp_path / "model").mkdir()
        (tmp_path / "model/MLmodel").write_text("x")
        client.log_model_artifacts(model.model_id, str(tmp_path / "model"))
        client.finalize_logged_model(model.model_id, "READY")
        client.create_registered_model("m")
        client.create_model_version("m", f"models:/{model.model_id}")
        for _ in range(2):
            report = to_mlflow(target, tracking_uri=tmp_path / "lake")
            assert (report.is_complete, report.problems) == (True, [])
        assert +report.written == {}
        there = MlflowClient(target, target)
        assert there.load_prompt("prompts:/greet@first").template == "Hello {{name}} ü"
        assert there.load_prompt("prompts:/greet/2").commit_message == "Hi {{name}}"
        (found,) = there.search_logged_models(["0"])
        assert there.get_model_version("m", "1").source == f"models:/{found.model_id}"
        assert [each.path for each in there.list_logged_model_artifacts(found.model_id)] == [
            "MLmodel"
        ]


def test_pages_of_runs_do_not_miss_one(
    tmp_path: Path, migrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "_RUNS_AT_ONCE", 3)
    client = LakeflowClient(tmp_path / "lake")
    for number in range(8):
        run_id = client.create_run("0", STARTED, run_name=f"run {number}").info.run_id
        client.log_metric(run_id, "m", number)
    target = sqlite(migrated, tmp_path)
    assert to_mlflow(target, tracking_uri=tmp_path / "lake").is_complete
    assert content(MlflowClient(target)).keys() == content(client).keys()
    again = to_mlflow(target, tracking_uri=tmp_path / "lake")
    assert (again.there["runs"], +again.written) == (8, {})
