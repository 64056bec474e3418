"""What a lake needs of its filesystem, and what it gives in return, on any kind of one."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakeflow.entities import Metric, Param, RunTag
from lakeflow.exceptions import AlreadyExistsError
from lakeflow.maintenance.compact import compact_lake

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.filesystem.interface import Filesystem
    from lakeflow.stores.store import Store

RACERS = 8


def test_of_many_that_create_a_file_one_wins(opened: Callable[..., Filesystem]) -> None:
    """Eight clients create one file at once, in many rounds."""
    clients = [opened() for _ in range(RACERS)]

    def race(number: int, path: str, barrier: threading.Barrier) -> bool:
        barrier.wait()
        try:
            clients[number].create(path, f"{number}".encode() * 1000)
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(RACERS) as pool:
        for turn in range(20):
            path, barrier = f"race/{turn}", threading.Barrier(RACERS)
            won = list(pool.map(race, range(RACERS), [path] * RACERS, [barrier] * RACERS))
            assert won.count(True) == 1
            assert clients[0].read(path) == f"{won.index(True)}".encode() * 1000


def test_what_was_created_is_listed_sized_and_read_by_position(fs: Filesystem) -> None:
    """Two files and one in a folder below."""
    fs.create("folder/b", b"0123456789")
    fs.create("folder/a", b"x")
    fs.create("folder/deeper/c", b"xyz")
    entries = [(entry.name, entry.size, entry.is_folder) for entry in fs.list("folder")]
    assert entries == [("a", 1, False), ("b", 10, False), ("deeper", 0, True)]
    assert fs.sizes("folder") == {"folder/a": 1, "folder/b": 10, "folder/deeper/c": 3}
    assert (fs.read("folder/b", 2, 5), fs.read("folder/b", 8)) == (b"234", b"89")
    assert (fs.read("folder/b", 8, 100), fs.read("folder/b", 10)) == (b"89", b"")
    assert fs.read_fixed("folder/b", 10, 3, 7) == b"3456"
    assert (fs.size("folder/b"), fs.exists("folder/b")) == (10, True)


def test_what_is_not_there_is_not_found(fs: Filesystem) -> None:
    """Files and folders that nobody made."""
    assert (fs.list("nowhere"), fs.sizes("nowhere"), fs.exists("nowhere")) == ([], {}, False)
    with pytest.raises(FileNotFoundError):
        fs.read("nowhere")
    fs.create("folder/a", b"x")
    with pytest.raises(FileNotFoundError):
        fs.read("folder/b", 0, 1)


def test_files_are_deleted_once_and_twice(fs: Filesystem) -> None:
    """One by one, and several at once."""
    for name in "abc":
        fs.create(f"folder/{name}", b"x")
    fs.delete("folder/a")
    fs.delete("folder/a")
    fs.delete_many(["folder/a", "folder/b", "folder/c"])
    fs.delete_many([])
    assert fs.sizes("folder") == {}
    fs.create("folder/a", b"again")
    assert fs.read("folder/a") == b"again"


def test_an_upload_publishes_a_staged_file(fs: Filesystem) -> None:
    """A large file is there whole."""
    content = b"0123456789abcdef" * 200_000
    with fs.staging() as folder:
        staged = Path(folder, "part")
        staged.write_bytes(content)
        fs.upload(str(staged), "tables/part")
    assert fs.size("tables/part") == len(content)
    assert (
        fs.read_fixed("tables/part", len(content), 1_000_003, 1_300_001)
        == (content[1_000_003:1_300_001])
    )


def test_a_file_is_put_whatever_was_there(fs: Filesystem, tmp_path: Path) -> None:
    """Once and once more, by its content and by a file that stays."""
    local = tmp_path / "local"
    local.write_bytes(b"a file of this machine")
    for content in (b"first", b"", b"second and longer"):
        fs.put("folder/a", content)
        assert fs.read("folder/a") == content
    fs.put_file(str(local), "folder/a")
    fs.put_file(str(local), "folder/deeper/b")
    assert fs.read("folder/a") == fs.read("folder/deeper/b") == local.read_bytes()
    assert fs.sizes("folder") == {"folder/a": 22, "folder/deeper/b": 22}
    found = [fs.entry(path) for path in ("folder/a", "folder/deeper", "folder/none")]
    assert [entry and entry[:3] for entry in found] == [
        ("a", 22, False),
        ("deeper", 0, True),
        None,
    ]


def test_artifacts_go_up_and_come_down_as_they_were(
    open_store: Callable[..., Store], tmp_path: Path
) -> None:
    """Small ones and one in parts, under names that are none of a URL's."""
    given = {f"small/{number}": b"x" * number for number in range(40)} | {
        # 20 MB: a file goes in parts from 16 MiB on.
        "deep/er/in parts": bytes(range(256)) * 80_000,
        "100%25 #?&=+ é.txt": b"odd",
        "nothing": b"",
    }
    for path, content in given.items():
        local = tmp_path / "up" / path
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(content)
    store = open_store()
    run_id = store.runs.create("0").info.run_id
    store.artifacts.log_folder(run_id, tmp_path / "up")
    other = open_store()
    assert other.artifacts.recorded(run_id).keys() == given.keys()
    down = tmp_path / "down"
    down.mkdir()
    other.artifacts.download(run_id, "", down)
    found = {
        each.relative_to(down).as_posix(): each.read_bytes()
        for each in down.rglob("*")
        if each.is_file()
    }
    assert found == given
    assert [each.path for each in other.artifacts.listing(run_id)] == [
        "100%25 #?&=+ é.txt",
        "deep",
        "nothing",
        "small",
    ]
    assert other.artifacts.listing(run_id, "nothing") == []
    one = other.artifacts.download(run_id, "small/3", down)
    assert Path(one).read_bytes() == b"xxx"


def test_a_file_is_extended_from_the_bytes_that_are_kept(fs: Filesystem) -> None:
    """Rows are put below those that are there, in place of the end of the file."""
    fs.put("folder/table", b"[1,2]")
    fs.extend("folder/table", 4, b",3]")
    fs.extend("folder/table", 6, b"]")
    assert fs.read("folder/table") == b"[1,2,3]"
    with pytest.raises(FileNotFoundError):
        fs.extend("folder/none", 1, b"x")
    assert [entry.name for entry in fs.list("folder")] == ["table"]


def test_many_files_are_read_at_once(fs: Filesystem) -> None:
    """As many as a fleet writes between two folds."""
    contents = {f"log/w/{number:08d}.jsonl": b"x" * (number + 1) for number in range(100)}
    for path, content in contents.items():
        fs.create(path, content)
    spans = {path: (0, len(content)) for path, content in contents.items()}
    assert dict(fs.read_many(spans)) == contents


def test_what_was_logged_is_read_once_by_everybody(open_store: Callable[..., Store]) -> None:
    """Log, fold, log on, fold again; read by others before and after."""
    writer, reader = open_store(), open_store()
    ids = [
        writer.runs.create(
            "0", start_time=n + 1, tags={"made": n}, run_name=f"run {n}"
        ).info.run_id
        for n in range(3)
    ]
    for turn in range(3):
        for number, run_id in enumerate(ids):
            metrics = [Metric("loss", turn * 10 + s, s, turn * 10 + s) for s in range(10)]
            params, tags = [Param(f"p{turn}", "v")], [RunTag("turn", str(turn))]
            writer.runs.log_batch(run_id, metrics, params, tags)
            writer.runs.log_metric(run_id, "number", number, turn, turn)
        for store in (reader, open_store()):
            check(store, ids, turn)
        compact_lake(writer.lake)
        for store in (reader, writer, open_store()):
            check(store, ids, turn)
    found = open_store().runs.search(
        ["0"], "metrics.number > 0 AND params.p2 = 'v'", order_by=["metrics.number"]
    )
    assert [run.info.run_id for run in found] == ids[1:]


def check(store: Store, ids: list[str], turn: int) -> None:
    """Compare runs with what was logged."""
    for number, run_id in enumerate(ids):
        run = store.runs.get(run_id)
        assert run.data.metrics == {"loss": turn * 10 + 9, "number": number}
        assert run.data.params == {f"p{n}": "v" for n in range(turn + 1)}
        assert run.data.tags["turn"] == str(turn)
        steps = Counter(point.step for point in store.runs.history(run_id, "loss"))
        assert steps == dict.fromkeys(range(turn * 10 + 10), 1)


def test_two_compactions_at_once_fold_each_record_once(
    open_store: Callable[..., Store],
) -> None:
    """While somebody logs on."""
    writer = open_store()
    run_id = writer.runs.create("0").info.run_id
    stores = [open_store(), open_store()]
    for turn in range(3):
        for step in range(20):
            writer.runs.log_metric(run_id, "loss", step, turn, 100 * turn + step)
        with ThreadPoolExecutor(3) as pool:
            folds = [pool.submit(compact_lake, store.lake) for store in stores]
            pool.submit(
                writer.runs.log_metric, run_id, "loss", 1, turn, 100 * turn + 50
            ).result()
            for fold in folds:
                fold.result()
    compact_lake(writer.lake)
    steps = [point.step for point in open_store().runs.history(run_id, "loss")]
    assert sorted(steps) == [
        100 * turn + step for turn in range(3) for step in (*range(20), 50)
    ]


def test_of_many_experiments_with_one_name_one_is_made(
    open_store: Callable[..., Store],
) -> None:
    """Four clients take the same names at once."""
    stores = [open_store() for _ in range(4)]

    def make(store: Store) -> str | None:
        try:
            return store.experiments.create("taken")
        except AlreadyExistsError:
            return None

    with ThreadPoolExecutor(len(stores)) as pool:
        made = [each for each in pool.map(make, stores) if each is not None]
    assert len(made) == 1
    assert open_store().experiments.find("taken").experiment_id == made[0]  # type: ignore[union-attr]


def test_what_a_killed_process_was_writing_is_cleared(fs: Filesystem) -> None:
    """Nothing that is staged is listed among files, and nothing stays for ever."""
    fs.put("folder/a", b"x")
    # By a time that is far ahead all that is staged is old.
    fs.clear_staging(2**40)
    assert fs.sizes("") == {"folder/a": 1}
