"""Images of runs: their files, what is recorded of them, and how they are found again."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import PIL.Image
import pytest
from matplotlib.figure import Figure

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    LakeflowException,
    NotFoundError,
    StorageError,
)
from lakeflow.media import images
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

PIXELS = numpy.random.default_rng(0).integers(0, 256, (30, 40, 3), numpy.uint8)
NAME = r"images/%s\+step\+%d\+timestamp\+%d\+[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def paths(client: LakeflowClient, run_id: str) -> list[str]:
    return sorted(each.path for each in client.list_artifacts(run_id, "images"))


def test_an_image_of_a_step_has_mlflows_names_and_is_recorded(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    client.log_image(run_id, PIXELS, key="val/dogs 1", step=3, timestamp=17)
    small, full = paths(client, run_id)
    assert re.fullmatch(NAME % ("val~dogs 1", 3, 17) + r"\.png", full)
    assert small == full.removesuffix(".png") + "+compressed.webp"
    assert client.get_run(run_id).data.tags["mlflow.loggedImages"] == "True"
    recorded = open_store(uri, create=False).artifacts.recorded(run_id)
    assert {each.label for each in recorded.values()} == {("image", "val/dogs 1", 3, 17)}
    with PIL.Image.open(client.download_artifacts(run_id, full)) as found:
        assert (numpy.asarray(found) == PIXELS).all()


def test_an_image_of_its_own_is_one_file_without_a_tag(
    client: LakeflowClient, run_id: str, uri: str
) -> None:
    client.log_image(run_id, PIXELS, "plots/a.png", synchronous=False)
    assert [each.path for each in client.list_artifacts(run_id, "plots")] == ["plots/a.png"]
    assert "mlflow.loggedImages" not in client.get_run(run_id).data.tags
    recorded = open_store(uri, create=False).artifacts.recorded(run_id)
    assert recorded["plots/a.png"].label == ("image", None, None, None)


def test_step_and_time_are_0_and_now_by_default(client: LakeflowClient, run_id: str) -> None:
    before = lakeflow.stores.experiments.now_ms()
    client.log_image(run_id, PIL.Image.fromarray(PIXELS), key="k")
    client.log_image(run_id, lakeflow.Image(PIXELS), key="k", step=numpy.int32(2))  # type: ignore[arg-type]
    first, second = lakeflow.load_images(run_id, "k", client.tracking_uri)
    assert (first.step, second.step) == (0, 2)
    assert first.timestamp is not None
    assert before <= first.timestamp <= lakeflow.stores.experiments.now_ms()


@pytest.mark.parametrize("is_folded", [False, True])
def test_images_are_found_by_what_is_recorded(
    client: LakeflowClient, run_id: str, uri: str, is_folded: bool
) -> None:
    for step, timestamp in ((2, 5), (1, 9), (1, 4), (-1, 7)):
        pixels = numpy.full_like(PIXELS, step % 256)
        client.log_image(run_id, pixels, key="a/b", step=step, timestamp=timestamp)
    client.log_image(run_id, PIXELS, key="other")
    if is_folded:
        lakeflow.compact(uri)
    client.log_image(run_id, PIXELS, key="a/b", step=3, timestamp=1)
    found = lakeflow.load_images(run_id, "a/b", uri)
    at = [(each.step, each.timestamp) for each in found]
    assert at == [(-1, 7), (1, 4), (1, 9), (2, 5), (3, 1)]
    assert (numpy.asarray(found[1].image) == 1).all()
    assert found[1].thumbnail.size == (256, 192)
    assert lakeflow.load_images(run_id, "a", uri) == []
    with pytest.raises(NotFoundError):
        lakeflow.load_images("0" * 32, "a", uri)


@pytest.mark.parametrize("stem", ["a#k%step%1%timestamp%5%0b1c", "a~k+step+1+timestamp+5+0b1c"])
def test_an_image_as_mlflow_names_it_has_its_key_and_its_thumbnail(
    client: LakeflowClient, run_id: str, tmp_path: Path, stem: str
) -> None:
    image = PIL.Image.new("RGB", (8, 8))
    image.save(tmp_path / f"{stem}.png")
    image.resize((4, 4)).save(tmp_path / f"{stem}{stem[3]}compressed.webp")
    client.log_artifacts(run_id, tmp_path, "images")
    (found,) = lakeflow.load_images(run_id, "a/k", client.tracking_uri)
    assert (found.image.size, found.thumbnail.size) == ((8, 8), (4, 4))


def test_an_image_that_was_changed_or_is_gone_says_so(
    tmp_path: Path,
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_image(run_id, PIXELS, key="k")
    (found,) = lakeflow.load_images(run_id, "k", client.tracking_uri)
    file = Path(client.download_artifacts(run_id, found.path))
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DamagedLakeError, match=r"step\+0"):
        _ = found.image
    file.unlink()
    with pytest.raises(StorageError) as caught:
        _ = found.image
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"


@pytest.mark.parametrize("synchronous", [True, False])
@pytest.mark.parametrize(
    ("named", "error"),
    [
        ({}, TypeError),
        ({"step": 1}, TypeError),
        ({"artifact_file": "a.png", "key": "k"}, TypeError),
        ({"artifact_file": "a.png", "step": 0}, TypeError),
        ({"artifact_file": "a.png", "timestamp": 0}, TypeError),
        ({"artifact_file": "../a.png"}, InvalidInputError),
        ({"artifact_file": "a.nothing"}, ValueError),
        ({"key": 5}, TypeError),
        ({"key": ""}, ValueError),
        ({"key": "a\n"}, ValueError),
        ({"key": "a#b"}, ValueError),
        ({"key": "ä"}, ValueError),
        ({"key": "k" * 200}, ValueError),
        ({"key": "k", "step": 1.5}, ValueError),
        ({"key": "k", "step": 2**63}, ValueError),
        ({"key": "k", "timestamp": 10**18}, ValueError),
        ({"key": "k", "image": numpy.zeros((2, 2, 2))}, ValueError),
        ({"key": "k", "image": [[1]]}, TypeError),
        ({"key": "k", "image": PIL.Image.new("F", (2, 2))}, ValueError),
        ({"key": "k", "run_id": "0" * 32}, NotFoundError),
        ({"key": "k", "run_id": "tr-1"}, InvalidInputError),
    ],
)
def test_what_cannot_be_logged_is_an_error_of_the_call(
    client: LakeflowClient,
    run_id: str,
    named: dict[str, Any],
    error: type[Exception],
    synchronous: bool,
) -> None:
    given = {"run_id": run_id, "image": PIXELS, "synchronous": synchronous, **named}
    with pytest.raises(error):
        client.log_image(**given)
    client.set_terminated(run_id)
    assert client.list_artifacts(run_id) == []


def test_a_deleted_run_takes_no_image_of_a_step(client: LakeflowClient, run_id: str) -> None:
    client.delete_run(run_id)
    with pytest.raises(InvalidInputError, match="deleted"):
        client.log_image(run_id, PIXELS, key="k")
    assert client.list_artifacts(run_id) == []


def test_a_queued_image_is_what_the_array_was(uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    array = numpy.zeros((20, 20), numpy.uint8)
    with lakeflow.start_run() as run:
        for step in range(5):
            array[:] = step
            # Returns nothing, as MLflow's does.
            assert lakeflow.log_image(array, key="k", step=step) is None  # type: ignore[func-returns-value]
    found = lakeflow.load_images(run.info.run_id, "k")
    assert [each.image.getpixel((0, 0)) for each in found] == [0, 1, 2, 3, 4]


def test_an_image_that_cannot_be_sent_is_told_at_the_end_of_its_run(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise StorageError("the disk is full", "RESOURCE_EXHAUSTED")

    lakeflow.set_tracking_uri(uri)
    run = lakeflow.start_run()
    monkeypatch.setattr(type(open_store(create=False).artifacts), "log_new", refuse)
    lakeflow.log_image(PIXELS, key="dogs")
    with pytest.raises(LakeflowException, match=r"log_image of \['dogs'\].*is full") as caught:
        lakeflow.end_run()
    assert caught.value.error_code == "RESOURCE_EXHAUSTED"
    assert lakeflow.get_run(run.info.run_id).info.status == "FINISHED"


def test_images_wait_at_the_bound_of_the_memory_that_they_hold(
    tmp_path: Path,
    another_process: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    store = another_process(str(tmp_path / "lake"), queue_bytes=2 * PIXELS.nbytes)
    go_on, seen = threading.Event(), []
    encode = images.png

    def slow(picture: Any, **options: Any) -> bytes:
        go_on.wait(60)
        return encode(picture, **options)

    monkeypatch.setattr(images, "png", slow)

    def log() -> None:
        for step in range(4):
            store.images.log(run_id, PIXELS, key="k", step=step, synchronous=False)
            seen.append(step)

    thread = threading.Thread(target=log)
    thread.start()
    # Two are in the queue, the third call waits.
    while not store._queue._changed._waiters:
        thread.join(0.01)
    assert seen == [0, 1]
    go_on.set()
    thread.join(60)
    assert seen == [0, 1, 2, 3]
    # One that is larger than the bound goes alone.
    large = numpy.zeros((60, 100, 3), numpy.uint8)
    store.images.log(run_id, large, key="k", step=4, synchronous=False)
    store.terminate(run_id)
    assert len(lakeflow.load_images(run_id, "k", client.tracking_uri)) == 5
    store.lake.close()


def test_a_figure_is_recorded_as_one(uri: str) -> None:
    lakeflow.set_tracking_uri(uri)
    with lakeflow.start_run() as run:
        lakeflow.log_figure(Figure(), "plots/a.svg", save_kwargs={"dpi": 20})
        with pytest.raises(TypeError, match="str"):
            lakeflow.log_figure("figure", "plots/b.svg")
    recorded = open_store(create=False).artifacts.recorded(run.info.run_id)
    assert {path: known.label.kind for path, known in recorded.items()} == {
        "plots/a.svg": "figure"
    }


def test_images_that_could_not_be_sent_are_let_go_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def refuse(picture: Any, **_: Any) -> bytes:
        seen.append(weakref.ref(picture))
        try:
            _refuse(picture)
        except OSError as error:
            raise StorageError("the disk is full") from error
        return b""

    def _refuse(picture: Any) -> None:
        raise OSError(28, f"no room for {picture.shape}")

    monkeypatch.setattr(images, "png", refuse)
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    for step in range(3):
        client.log_image(run_id, PIXELS, key="k", step=step, synchronous=False)
    open_store(client.tracking_uri, create=False)._queue.drain()
    gc.collect()
    assert [each() for each in seen] == [None] * 3
    with pytest.raises(LakeflowException, match="3 asynchronous"):
        client.set_terminated(run_id)


def test_images_that_come_too_fast_are_not_packed(
    tmp_path: Path, another_process: Callable[..., Any]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    array = numpy.zeros((100, 100, 3), numpy.uint8)
    for place, images_at_once in enumerate((100, 4)):
        store = another_process(
            str(tmp_path / "lake"), queue_bytes=images_at_once * array.nbytes
        )
        store.images.log(run_id, array, key="k", step=place, synchronous=False)
        store.terminate(run_id)
        store.lake.close()
    packed, plain = lakeflow.load_images(run_id, "k", client.tracking_uri)
    recorded = open_store(client.tracking_uri, create=False).artifacts.recorded(run_id)
    assert recorded[packed.path].size < array.nbytes / 100
    assert recorded[plain.path].size > array.nbytes
    assert not numpy.asarray(plain.image).any()


@pytest.mark.parametrize(
    ("ending", "status"), [("", "FINISHED"), ("signal.raise_signal(signal.SIGTERM)", "KILLED")]
)
def test_a_process_that_ends_sends_its_images_first(
    tmp_path: Path, ending: str, status: str
) -> None:
    program = f"""
import signal, sys, lakeflow, numpy
lakeflow.set_tracking_uri(sys.argv[1])
print(lakeflow.start_run().info.run_id, flush=True)
for step in range(20):
    lakeflow.log_image(numpy.full((300, 300), step, numpy.uint8), key="k", step=step)
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "lake"],
        capture_output=True,
        text=True,
        check=False,
    )
    run_id = done.stdout.strip()
    assert done.stderr == ""
    assert LakeflowClient(tmp_path / "lake").get_run(run_id).info.status == status
    found = lakeflow.load_images(run_id, "k", tmp_path / "lake")
    assert [each.image.getpixel((9, 9)) for each in found] == list(range(20))
