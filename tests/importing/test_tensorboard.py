"""Event files of the real writers, read as runs."""

from __future__ import annotations

import io
import math
import struct
from typing import TYPE_CHECKING, Any

import fsspec
import numpy
import PIL.Image
import pytest
from importing.reading import held_by
from importing.ways import check_ways
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
from tensorboardX import SummaryWriter

import lakeflow
import lakeflow.importing
from lakeflow.exceptions import NotFoundError
from lakeflow.importing.sources.tensorboard.source import TensorBoardSource

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from importing.reading import Held


def read(folder: object) -> Held:
    return held_by(TensorBoardSource(str(folder), "trials"))


def written(
    folder: Path, summaries: Iterable[tuple[float, int, Any]], suffix: str = ""
) -> Path:
    """Write as TensorFlow 2 and TensorBoard do: summaries with metadata, and tensors."""
    writer = EventFileWriter(str(folder), filename_suffix=suffix)
    for wall_time, step, summary in summaries:
        writer.add_event(event_pb2.Event(wall_time=wall_time, step=step, summary=summary))
    writer.close()
    (path,) = (each for each in folder.iterdir() if each.name.endswith(suffix or each.name))
    return path


def png(*shape: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(numpy.zeros(shape, "uint8")).save(buffer, "PNG")
    return buffer.getvalue()


def images_pb(tag: str, *pictures: bytes) -> summary_pb2.Summary:
    """Make what ``tf.summary.image`` makes of a batch."""
    metadata = summary_pb2.SummaryMetadata()
    metadata.plugin_data.plugin_name = "images"
    tensor = tensor_util.make_tensor_proto([b"3", b"2", *pictures])
    value = summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
    return summary_pb2.Summary(value=[value])


def failed_pb() -> summary_pb2.Summary:
    """Make what says that a session of the hparams plugin ended."""
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_FAILURE)
    said = metadata.create_summary_metadata(
        plugin_data_pb2.HParamsPluginData(session_end_info=end)
    )
    value = summary_pb2.Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=said)
    return summary_pb2.Summary(value=[value])


def test_what_tensorboardx_writes(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "cnn" / "first")) as writer:
        for step in range(3):
            writer.add_scalar("loss/train", 1 / (step + 1), step, walltime=1.7e9 + step)
        writer.add_scalar("odd", math.inf, -1, walltime=1.7e9)
        writer.add_image("samples/a", numpy.zeros((3, 20, 30)), 1, walltime=1_700_000_000.25)
        writer.add_text("note", "a *short* text", 0)
        writer.add_text("said", "first", 0)
        writer.add_text("said", "second", 1)
        writer.add_histogram("weights", numpy.arange(10.0), 0)
        writer.add_hparams(
            {"lr": 0.1, "batch": 32, "optimizer": "adam", "amp": True}, {"best": 0.5}, name="hp"
        )
    held = read(tmp_path)
    assert [*held.runs] == ["cnn/first", "cnn/first/hp"]
    assert held.points["cnn/first", "loss/train"] == [
        (1.0, 1_700_000_000_000, 0),
        (0.5, 1_700_000_001_000, 1),
        (float(numpy.float32(1 / 3)), 1_700_000_002_000, 2),
    ]
    assert held.points["cnn/first", "odd"] == [(math.inf, 1_700_000_000_000, -1)]
    run = held.runs["cnn/first"]
    assert run.tags == {
        "note": "a *short* text",
        "tensorboard.run": "cnn/first",
        "mlflow.loggedImages": "True",
    }
    assert run.start_time == 1_700_000_000_000
    # Numbers of hparams have no integers: what is whole was one, most likely.
    assert held.runs["cnn/first/hp"].params == {
        "lr": "0.1",
        "batch": "32",
        "optimizer": "adam",
        "amp": "True",
    }
    assert held.values("cnn/first/hp", "best") == [0.5]
    files = {path: content for (name, path), content in held.files.items()}
    assert files.pop("text/said/text_summary/0.txt") == b"first"
    assert files.pop("text/said/text_summary/1.txt") == b"second"
    image, thumbnail = sorted(files, reverse=True)
    assert image.startswith("images/samples~a+step+1+timestamp+1700000000250+")
    assert thumbnail == image.removesuffix(".png") + "+compressed.webp"
    assert PIL.Image.open(io.BytesIO(files[image])).size == (30, 20)
    (problem,) = held.problems
    assert "histograms" in problem.where


def test_what_tensorflow_2_writes(tmp_path: Path) -> None:
    start = hparams_pb({"lr": 1e-3, "layers (all)": 2.5}, trial_id="trial")
    written(
        tmp_path,
        [
            (1.7e9, 0, start),
            (1.7e9, 1, scalar_pb("loss (mean)", 0.25)),
            (1.7e9, 2, scalar_pb("loss (mean)", math.nan)),
            (1.7e9, 2, text_pb("config", "x" * 6_000)),
            (1.7e9, 3, images_pb("batch", png(2, 3), png(2, 3, 3))),
            (1.7e9, 3, histogram_pb("weights", [1.0, 2.0])),
            (1_700_000_009.5, 4, failed_pb()),
        ],
    )
    held = read(tmp_path)
    (run,) = held.runs.values()
    assert (run.name, run.status) == (".", "FAILED")
    assert run.params == {"lr": "0.001", "layers _all_": "2.5"}
    assert run.tags["tensorboard.group"] == "trial"
    assert held.points[".", "loss _mean_"][0] == (0.25, 1_700_000_000_000, 1)
    assert math.isnan(held.values(".", "loss _mean_")[1])
    assert held.files[".", "text/config/2.txt"] == b"x" * 6_000
    keys = {path.partition("+")[0] for _, path in held.files if path.endswith(".png")}
    assert keys == {"images/batch", "images/batch~1"}
    assert {(problem.where, problem.is_loss) for problem in held.problems} == {
        ("the tag 'loss (mean)'", False),
        ("the tag 'layers (all)'", False),
        ("histograms of 1 runs, such as .", True),
    }


def test_files_of_one_folder_are_one_run_in_the_order_in_which_they_were_begun(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "run"
    # The one that sorts last by its name was begun first.
    first = [(1.7e9 + step, step, scalar_pb("loss", float(step))) for step in (0, 1, 2)]
    again = [(1.8e9 + step, step, scalar_pb("loss", step + 10.0)) for step in (1, 2)]
    written(folder, again, ".a")
    path = written(folder, first, ".b")
    _begin_at(path, 1.7e9)
    held = read(tmp_path)
    # A restart repeats steps: both are kept.
    assert held.steps("run", "loss") == [0, 1, 2, 1, 2]
    assert held.values("run", "loss") == [0.0, 1.0, 2.0, 11.0, 12.0]


def _begin_at(path: Path, wall_time: float) -> None:
    """Leave out the first event, in which a writer says when it was made."""
    content = path.read_bytes()
    (length,) = struct.unpack_from("<Q", content)
    path.write_bytes(content[length + 16 :])
    (length,) = struct.unpack_from("<Q", path.read_bytes())
    event = event_pb2.Event.FromString(path.read_bytes()[12 : 12 + length])
    assert event.wall_time == wall_time


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda content: content[:-7], "is cut"),
        (lambda content: content[:-40] + b"\0" * 40, "wrong checksum"),
        (lambda content: content + b"\0" * 4096, "wrong checksum"),
        (lambda content: content + b"garbage of some length", "is cut"),
    ],
    ids=["cut", "overwritten", "zeros behind", "garbage behind"],
)
def test_what_is_before_the_damage_of_a_file_arrives(
    tmp_path: Path, damage: Any, why: str
) -> None:
    points = [(1.7e9, step, scalar_pb("loss", float(step))) for step in range(100)]
    path = written(tmp_path / "broken", points)
    written(tmp_path / "whole", points)
    path.write_bytes(damage(path.read_bytes()))
    held = read(tmp_path)
    steps = held.steps("broken", "loss")
    assert steps == list(range(len(steps)))
    assert len(steps) >= 98
    assert len(held.values("whole", "loss")) == 100
    (problem,) = held.problems
    assert problem.where == str(path)
    assert why in problem.why


def test_broken_values_are_reported_and_the_others_arrive(tmp_path: Path) -> None:
    empty = summary_pb2.Summary(
        value=[
            summary_pb2.Summary.Value(
                tag="empty",
                metadata=scalar_pb("empty", 0.0).value[0].metadata,
                tensor=tensor_util.make_tensor_proto(numpy.zeros(0, "float32")),
            )
        ]
    )
    path = written(
        tmp_path,
        [
            (1.7e9, 0, empty),
            (1.7e9, 1, images_pb("torn", png(9, 9)[:-30])),
            (1.7e9, 1, images_pb("long/" * 100, png(1, 1))),
            (math.inf, 2, scalar_pb("loss", 0.5)),
        ],
    )
    (path.parent / "events.out.tfevents.0.empty").touch()
    held = read(tmp_path)
    assert held.values(".", "loss") == [0.5]
    assert [len(path) < 255 for _, path in held.files] == [True, True]
    reasons = sorted(problem.why.partition(":")[0] for problem in held.problems)
    assert reasons == [
        "has a broken image of 'torn' at step 1",
        "has a broken value of 'empty'",
        "is empty",
    ]


def test_a_longer_folder_has_the_same_ids_and_begins_with_the_same_points(
    tmp_path: Path,
) -> None:
    points = [(1.7e9, step, scalar_pb("loss", float(step))) for step in range(10)]
    written(tmp_path / "a", points)
    first = read(tmp_path)
    written(tmp_path / "b", points)
    whole = read(tmp_path)
    assert whole.runs["a"] == first.runs["a"]
    assert whole.points["a", "loss"] == first.points["a", "loss"]
    assert whole.runs["a"].run_id != whole.runs["b"].run_id


def test_more_points_than_are_held_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakeflow.importing.sources.tensorboard.point_files._HELD_POINTS", 100)
    points = [
        (1.7e9, step, scalar_pb(tag, step / 2)) for step in range(300) for tag in ("a", "b")
    ]
    written(tmp_path, points)
    held = read(tmp_path)
    assert held.steps(".", "a") == held.steps(".", "b") == list(range(300))
    assert held.values(".", "b")[-1] == 149.5


def test_event_files_at_a_url(tmp_path: Path) -> None:
    path = written(
        tmp_path, [(1.7e9, 3, scalar_pb("loss", 0.5)), (1.7e9, 3, images_pb("i", png(2, 2)))]
    )
    store = fsspec.filesystem("memory")
    store.pipe(f"/boards/exp/run/{path.name}", path.read_bytes())
    try:
        held = read("memory://boards/exp")
        assert held.points == {("run", "loss"): [(0.5, 1_700_000_000_000, 3)]}
        assert len(held.files) == 2
    finally:
        store.rm("/boards", recursive=True)


def test_a_folder_without_event_files_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no file"):
        read(tmp_path)


def test_a_folder_is_imported_and_again_when_there_is_more(tmp_path: Path) -> None:
    folder, lake = tmp_path / "runs", str(tmp_path / "lake")
    with SummaryWriter(str(folder / "a")) as writer:
        writer.add_scalar("loss", math.nan, 0, walltime=1.7e9)
        writer.add_scalar("loss", 0.5, 1, walltime=1.7e9)
        writer.add_image("digits/first", numpy.ones((3, 20, 30)), 7, walltime=1.7e9)
        writer.add_text("note", "short", 0)
    report = lakeflow.importing.from_tensorboard(folder, lake, experiment="boards")
    assert report.is_complete
    client = lakeflow.LakeflowClient(lake)
    (run,) = client.search_runs(_experiments(client, "boards"))
    assert (run.info.run_name, run.data.tags["note"]) == ("a", "short")
    (image,) = lakeflow.load_images(run.info.run_id, "digits/first", tracking_uri=lake)
    assert (image.step, image.timestamp) == (7, 1_700_000_000_000)
    assert image.image.getpixel((0, 0)) == (255, 255, 255)
    with SummaryWriter(str(folder / "a"), filename_suffix=".restart") as writer:
        writer.add_scalar("loss", 0.25, 1, walltime=1.8e9)
        writer.add_scalar("acc", 0.75, 1, walltime=1.8e9)
    # Three times: nothing is there twice.
    for _ in range(3):
        assert lakeflow.importing.from_tensorboard(
            folder, lake, experiment="boards"
        ).is_complete
    found = lakeflow.LakeflowClient(lake).get_metric_history(run.info.run_id, "loss")
    assert [(point.step, repr(point.value)) for point in found] == [
        (0, "nan"),
        (1, "0.5"),
        (1, "0.25"),
    ]
    assert len(client.list_artifacts(run.info.run_id, "images")) == 2
    assert client.get_run(run.info.run_id).info.end_time == 1_800_000_000_000


def _experiments(client: lakeflow.LakeflowClient, name: str) -> list[str]:
    return [client.get_experiment_by_name(name).experiment_id]


def test_it_may_be_tried_chosen_of_stopped_and_made_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with SummaryWriter(str(tmp_path / name)) as writer:
            for step in range(3):
                writer.add_scalar("loss", step / 2, step)
            writer.add_text("note", "x")
    check_ways(lambda: TensorBoardSource(str(tmp_path), "trials"), has_experiments=False)
