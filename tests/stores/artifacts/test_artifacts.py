"""Artifacts of runs: whole files under their own names, recorded with size and digest."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import pytest

import lakeflow
from lakeflow.client import LakeflowClient
from lakeflow.entities import FileInfo
from lakeflow.exceptions import (
    DamagedLakeError,
    InvalidInputError,
    LakeflowException,
    NotFoundError,
    StorageError,
)
from lakeflow.filesystem.local import LocalFilesystem
from lakeflow.filesystem.parts import PART_BYTES
from lakeflow.open_store import open_store
from lakeflow.transfer import fetching

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.stores.store import Store


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with files, some of them below."""
    made = tmp_path / "given"
    (made / "deep" / "er").mkdir(parents=True)
    (made / "empty folder").mkdir()
    for name, content in {
        "a.txt": b"a",
        "nothing": b"",
        ".hidden": b"h",
        "deep/100%.csv": b"1,2\n",
        "deep/er/big": os.urandom(PART_BYTES + 17),
    }.items():
        (made / name).write_bytes(content)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {
        each.relative_to(folder).as_posix(): each.read_bytes()
        for each in folder.rglob("*")
        if each.is_file()
    }


def store_of(client: LakeflowClient) -> Store:
    return open_store(client.tracking_uri, create=False)


def test_a_folder_goes_up_and_comes_down_as_it_was(
    client: LakeflowClient, run_id: str, folder: Path, tmp_path: Path
) -> None:
    client.log_artifacts(run_id, folder, "kept")
    there = tmp_path / "there"
    there.mkdir()
    assert client.download_artifacts(run_id, "kept", there) == f"{there}/kept"
    assert contents(there / "kept") == contents(folder)
    assert sorted(os.listdir(there / "kept")) == [".hidden", "a.txt", "deep", "nothing"]
    everything = tmp_path / "everything"
    everything.mkdir()
    assert client.download_artifacts(run_id, "", everything) == str(everything)
    assert contents(everything / "kept") == contents(folder)
    one = client.download_artifacts(run_id, "kept/deep/100%.csv", everything)
    assert Path(one).read_bytes() == b"1,2\n"


def test_a_folder_that_is_logged_alone_keeps_its_name(
    client: LakeflowClient, run_id: str, folder: Path
) -> None:
    client.log_artifact(run_id, f"{folder}/", "below")
    client.log_artifact(run_id, folder / "a.txt")
    assert [each.path for each in client.list_artifacts(run_id)] == ["a.txt", "below"]
    assert client.list_artifacts(run_id, "below/given") == [
        FileInfo("below/given/.hidden", False, 1),
        FileInfo("below/given/a.txt", False, 1),
        FileInfo("below/given/deep", True, None),
        FileInfo("below/given/nothing", False, 0),
    ]
    assert client.list_artifacts(run_id, "a.txt") == client.list_artifacts(run_id, "none") == []


def test_what_was_logged_is_recorded_before_and_after_a_fold(
    uri: str,
    client: LakeflowClient,
    run_id: str,
    folder: Path,
    another_process: Callable[..., Store],
) -> None:
    client.log_artifacts(run_id, folder)
    client.log_text(run_id, "first", "a.txt")
    lakeflow.compact(uri)
    client.log_text(run_id, "second", "a.txt")
    client.log_text(run_id, "new", "new.txt")
    other = another_process(uri)
    for _ in range(2):
        for store in (store_of(client), other):
            found = store.artifacts.recorded(run_id)
            assert found["a.txt"][:2] == (6, sha256(b"second"))
            assert found["nothing"][:2] == (0, sha256(b""))
            assert found.keys() == {*contents(folder), "new.txt"}
            assert store.artifacts.recorded(run_id, "deep/er").keys() == {"deep/er/big"}
            assert store.artifacts.recorded(run_id, "deep/e") == {}
        lakeflow.compact(uri)
    total = "SELECT sum(size)::BIGINT AS total, count(*) AS n FROM artifacts"
    assert lakeflow.sql(total, tracking_uri=uri, output_format="list") == [
        {"total": 1 + 4 + PART_BYTES + 17 + 6 + 3, "n": 6}
    ]


def test_the_same_again_moves_no_bytes(
    tmp_path: Path, folder: Path, another_process: Callable[..., Store]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_artifacts(run_id, folder)
    kept = Path(client.get_run(run_id).info.artifact_uri)

    def files() -> dict[str, int]:
        return {
            str(each): each.stat().st_ctime_ns for each in kept.rglob("*") if each.is_file()
        }

    before = files()
    client.log_artifacts(run_id, folder)
    another_process(client.tracking_uri).artifacts.log_folder(run_id, folder)
    assert files() == before
    # What somebody has changed since is replaced, though its size is the same.
    os.utime(kept / "a.txt", (2**31, 2**31))
    (kept / ".hidden").unlink()
    client.log_artifacts(run_id, folder)
    assert contents(kept) == contents(folder)
    assert {each for each in before if files()[each] != before[each]} == {
        str(kept / "a.txt"),
        str(kept / ".hidden"),
    }


def test_what_is_there_is_synced_and_recorded_again_for_who_wants_it_to_survive_a_power_cut(
    tmp_path: Path,
    folder: Path,
    another_process: Callable[..., Store],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = str(tmp_path / "lake")
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    model_id = client.create_logged_model("0").model_id

    def log(store: Store) -> None:
        store.artifacts.log_folder(run_id, folder)
        store.artifacts.log_text(run_id, "text", "text.txt")
        store.model_files.log(model_id, folder / "a.txt")

    log(another_process(lake))

    def times() -> dict[Path, int]:
        return {each: each.stat().st_ctime_ns for each in Path(lake).glob("artifacts/**/*")}

    before = times()
    synced: list[str] = []
    monkeypatch.setattr(LocalFilesystem, "sync", lambda _, *paths: synced.extend(paths))
    later = another_process(lake, durability="fsync")
    log(later)
    assert later.lake.written_bytes
    names = [path.rpartition("/")[2] for path in synced if path.startswith("artifacts/")]
    assert sorted(names) == sorted(
        [*map(os.path.basename, contents(folder)), "text.txt", "a.txt"]
    )
    assert times() == before, "nothing was sent again"


def test_a_file_is_a_plain_one_that_the_users_of_the_lake_may_read(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    lake.chmod(0o750)
    client.log_text(run_id, "x", "folder/x.txt")
    kept = Path(client.get_run(run_id).info.artifact_uri, "folder", "x.txt")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o750
    assert client.download_artifacts(run_id, "folder/x.txt") == str(kept)
    assert list(lake.glob(".staging/*")) == []


def test_artifacts_may_be_elsewhere(tmp_path: Path, folder: Path) -> None:
    lakeflow.set_tracking_uri(tmp_path / "lake")
    client = LakeflowClient()
    for location in (tmp_path / "else where", f"file://{tmp_path}/a%20b", "memory://elsewhere"):
        experiment_id = client.create_experiment(str(location), str(location))
        run_id = client.create_run(experiment_id).info.run_id
        client.log_artifacts(run_id, folder)
        client.log_text(run_id, "t", "t.txt")
        there = tmp_path / f"from {experiment_id}"
        there.mkdir()
        client.download_artifacts(run_id, "", there)
        assert contents(there) == contents(folder) | {"t.txt": b"t"}
        assert len(client.list_artifacts(run_id)) == 5
    assert (tmp_path / "a b").is_dir()


def test_a_deleted_run_takes_artifacts(client: LakeflowClient, run_id: str) -> None:
    client.delete_run(run_id)
    client.log_text(run_id, "late", "late.txt")
    assert Path(client.download_artifacts(run_id, "late.txt")).read_text() == "late"


def test_a_run_that_is_none_is_refused(client: LakeflowClient, folder: Path) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        client.log_artifacts("0" * 32, folder)
    with pytest.raises(NotFoundError):
        client.list_artifacts("0" * 32)
    with pytest.raises(InvalidInputError):
        client.log_text("no/run", "text", "a.txt")
    for call in (client.log_artifact, client.log_artifacts, client.log_text, client.log_dict):
        args = ("tr-1", folder) if "artifact" in call.__name__ else ("tr-1", "x", "a")
        with pytest.raises(LakeflowException, match="must map to a valid run"):
            call(*args)


def test_what_is_not_there_is_named(
    client: LakeflowClient, run_id: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match=r"No such artifact: 'none\.txt'") as caught:
        client.download_artifacts(run_id, "none.txt", tmp_path)
    assert caught.value.error_code == "RESOURCE_DOES_NOT_EXIST"
    with pytest.raises(StorageError, match=r"no-such-file"):
        client.log_artifact(run_id, tmp_path / "no-such-file")
    with pytest.raises(InvalidInputError, match="no folder"):
        client.log_artifacts(run_id, tmp_path / "no-such-folder")
    with pytest.raises(InvalidInputError, match=r"dst_path is '.*missing', which is no folder"):
        client.download_artifacts(run_id, "", tmp_path / "missing")


def test_a_folder_that_is_looked_for_may_end_with_a_slash(
    client: LakeflowClient, run_id: str, folder: Path
) -> None:
    client.log_artifacts(run_id, folder)
    assert client.list_artifacts(run_id, "deep/") == client.list_artifacts(run_id, "deep")
    assert client.download_artifacts(run_id, "deep/").endswith("/deep")
    with pytest.raises(InvalidInputError, match="Invalid artifact path"):
        client.list_artifacts(run_id, "/")


def test_a_path_in_bytes_names_the_same_file(
    client: LakeflowClient, run_id: str, folder: Path
) -> None:
    client.log_artifact(run_id, os.fsencode(folder / "deep"))
    client.log_artifacts(run_id, os.fsencode(folder / "deep"))
    found = [each.path for each in client.list_artifacts(run_id)]
    assert found == ["100%.csv", "deep", "er"]


def test_paths_lead_nowhere_else(client: LakeflowClient, run_id: str, folder: Path) -> None:
    for path in ("../x", "/x", "a/../../x", "a\\..\\x"):
        for call in (
            lambda path: client.log_artifact(run_id, folder / "a.txt", path),
            lambda path: client.log_artifacts(run_id, folder, path),
            lambda path: client.log_text(run_id, "t", path),
            lambda path: client.log_dict(run_id, {}, path),
            lambda path: client.list_artifacts(run_id, path),
            lambda path: client.download_artifacts(run_id, path),
        ):
            with pytest.raises(InvalidInputError, match="Invalid artifact path"):
                call(path)
    assert client.list_artifacts(run_id) == []


@pytest.mark.skipif(sys.platform == "darwin", reason="names are Unicode there")
def test_a_bad_name_is_refused_before_anything_is_sent(
    client: LakeflowClient, run_id: str, folder: Path
) -> None:
    outside = folder.parent / "secret"
    outside.write_text("s")
    for make in (
        lambda: (folder / "zz").symlink_to(outside),
        lambda: (folder / "zz").symlink_to("/etc"),
        lambda: (folder / "z\\z").write_text("x"),
        lambda: (folder / "z\nz").write_text("x"),
        lambda: Path(os.fsdecode(os.fsencode(folder) + b"/z\xff")).write_text("x"),
        lambda: os.mkfifo(folder / "zz"),
    ):
        make()
        (made,) = [each for each in os.listdir(folder) if each.startswith("z")]
        with pytest.raises(InvalidInputError, match="given"):
            client.log_artifacts(run_id, folder)
        (folder / made).unlink()
    assert client.list_artifacts(run_id) == []


def test_links_within_the_folder_are_followed_once(
    client: LakeflowClient, run_id: str, folder: Path
) -> None:
    (folder / "link").symlink_to("a.txt")
    (folder / "round").symlink_to(".", target_is_directory=True)
    (folder / "again").symlink_to("deep", target_is_directory=True)
    (folder / "dangling").symlink_to("nothing there")
    client.log_artifacts(run_id, folder)
    recorded = store_of(client).artifacts.recorded(run_id)
    assert {"link", "again/100%.csv", "deep/100%.csv"} <= recorded.keys()
    assert not {each for each in recorded if each.startswith(("round", "dangling"))}


def test_names_that_differ_a_little_are_different_files(
    client: LakeflowClient, run_id: str, tmp_path: Path
) -> None:
    names = ["Ab", "ab", "\u00e9", "e\u0301", "x" * 255, "con", "a%2Fb", " ", "#?&=+"]
    for number, name in enumerate(names):
        client.log_text(run_id, str(number), name)
    assert {each.path for each in client.list_artifacts(run_id)} == set(names)
    client.download_artifacts(run_id, "", tmp_path)
    assert [(tmp_path / name).read_text() for name in names] == list(
        map(str, range(len(names)))
    )


def test_a_file_that_was_changed_since_is_no_download(
    tmp_path: Path, another_process: Callable[..., Store]
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "true", "a.txt")
    kept = Path(client.get_run(run_id).info.artifact_uri, "a.txt")
    kept.write_text("fals")
    there = tmp_path / "there"
    there.mkdir()
    with pytest.raises(DamagedLakeError, match="not what was logged"):
        another_process(client.tracking_uri).artifacts.download(run_id, "a.txt", there)
    kept.write_text("of another length")
    with pytest.raises(DamagedLakeError, match="not what was logged"):
        another_process(client.tracking_uri).artifacts.download(run_id, "", there)
    assert os.listdir(there) == []


def test_a_file_that_is_written_to_is_not_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakeflow.filesystem.local import LocalFilesystem

    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    growing = tmp_path / "growing"
    growing.write_bytes(b"x" * 2_000_000)
    copy = LocalFilesystem.put_file

    def put_file(self: LocalFilesystem, local: str, path: str) -> None:
        with growing.open("ab") as file:
            file.write(b"more")
        copy(self, local, path)

    with monkeypatch.context() as patched:
        patched.setattr(LocalFilesystem, "put_file", put_file)
        with pytest.raises(StorageError, match=r"growing was written to while") as caught:
            client.log_artifact(run_id, growing)
    assert caught.value.error_code == "ABORTED"
    assert client.list_artifacts(run_id) == []
    client.log_artifact(run_id, growing)
    assert client.list_artifacts(run_id)[0].file_size == 2_000_004


def test_a_location_in_the_lake_that_leads_out_of_it_is_refused(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    (segment,) = (tmp_path / "lake/log").glob("0*/*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"artifacts/0/", b"../outside0/"))
    other = LakeflowClient(tmp_path / "same")
    os.rename(tmp_path / "lake", tmp_path / "same")
    with pytest.raises(DamagedLakeError, match="no folder of the lake"):
        other.log_text(run_id, "x", "x.txt")
    assert not list(tmp_path.rglob("x.txt"))


def test_a_link_that_somebody_puts_among_artifacts_is_not_followed(tmp_path: Path) -> None:
    client = LakeflowClient(tmp_path / "lake")
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "x", "folder/x.txt")
    kept = Path(client.get_run(run_id).info.artifact_uri)
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("s")
    (kept / "folder/link").symlink_to(secret / "key")
    (kept / "linked").symlink_to(secret, target_is_directory=True)
    there = tmp_path / "there"
    there.mkdir()
    client.download_artifacts(run_id, "", there)
    assert contents(there) == {"folder/x.txt": b"x"}
    with pytest.raises(LakeflowException):
        client.log_text(run_id, "overwritten", "linked/key")
    client.log_text(run_id, "mine", "folder/link")
    assert contents(secret) == {"key": b"s"}


def test_content_that_is_not_what_it_is_loaded_as(client: LakeflowClient, run_id: str) -> None:
    uri = f"runs:/{run_id}"
    client.log_text(run_id, "n\u00e9e", "a.txt")
    client.log_dict(run_id, {"k": [1, None]}, "a.JSON")
    client.log_text(run_id, "in it", "folder/a.txt")
    with store_of(client).artifacts.written(run_id, "latin") as path:
        Path(path).write_bytes(b"n\xe9e")
    lakeflow.set_tracking_uri(client.tracking_uri)
    assert lakeflow.artifacts.load_text(f"{uri}/a.txt") == "n\u00e9e"
    assert lakeflow.artifacts.load_dict(f"{uri}/a.JSON") == {"k": [1, None]}
    for load, name in (
        (lakeflow.artifacts.load_text, "latin"),
        (lakeflow.artifacts.load_dict, "a.txt"),
        (lakeflow.artifacts.load_image, "a.txt"),
        (lakeflow.artifacts.load_text, "folder"),
    ):
        with pytest.raises(InvalidInputError, match=name) as caught:
            load(f"{uri}/{name}")
        assert caught.value.error_code == "BAD_REQUEST"


def test_a_text_is_as_long_as_it_is(client: LakeflowClient, run_id: str) -> None:
    client.log_text(run_id, "\u00e9" * 3_000_000, "long.txt")
    assert client.list_artifacts(run_id)[0].file_size == 6_000_000
    with pytest.raises(TypeError, match="bytes"):
        client.log_text(run_id, b"bytes", "b.txt")
    with pytest.raises(InvalidInputError, match="cannot be encoded"):
        client.log_text(run_id, "\ud800", "half.txt")


def test_one_of_uri_and_run_is_given(run_id: str, client: LakeflowClient) -> None:
    for call in (lakeflow.artifacts.download_artifacts, lakeflow.artifacts.list_artifacts):
        for given in (
            {},
            {"run_id": run_id, "artifact_uri": f"runs:/{run_id}"},
            {"artifact_uri": f"runs:/{run_id}", "artifact_path": "a"},
        ):
            with pytest.raises(InvalidInputError, match="specified"):
                call(**given, tracking_uri=client.tracking_uri)


def test_any_location_is_fetched(tmp_path: Path, folder: Path) -> None:
    # There need not be a lake.
    lakeflow.set_tracking_uri(tmp_path / "lake")
    there = tmp_path / "new" / "there"
    found = lakeflow.artifacts.download_artifacts(f"file://{folder}/deep", dst_path=there)
    assert found == f"{there}/deep"
    assert contents(there / "deep") == contents(folder / "deep")
    one = lakeflow.artifacts.download_artifacts(
        f"file://{folder}/deep/100%25.csv", dst_path=there
    )
    assert Path(one).read_bytes() == b"1,2\n"
    assert [each.path for each in lakeflow.artifacts.list_artifacts(str(folder / "deep"))] == [
        "deep/100%.csv",
        "deep/er",
    ]
    assert not (tmp_path / "lake").exists()


def test_a_path_without_a_folder_is_in_the_working_directory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for given in ("deep", "deep/", Path("deep"), "file:deep"):
        assert lakeflow.artifacts.download_artifacts(given) == f"{folder}/deep"
        assert len(lakeflow.artifacts.list_artifacts(given)) == 2
    assert lakeflow.artifacts.load_text("deep/100%.csv") == "1,2\n"
    with pytest.raises(InvalidInputError, match="not the location"):
        lakeflow.artifacts.download_artifacts("")


def test_of_two_downloads_of_a_large_file_none_takes_the_result_of_the_other_for_a_part(
    client: LakeflowClient,
    run_id: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client.log_artifact(run_id, folder / "deep/er/big")
    there = tmp_path / "there"
    there.mkdir()
    opened, seen = fetching._opened, []

    def opened_by_two(path: str) -> BinaryIO:
        file = opened(path)
        seen.append(path)
        if len(seen) == 1:
            # Before this one has the lock, another call comes and ends.
            client.download_artifacts(run_id, "big", there)
        return file

    monkeypatch.setattr(fetching, "_opened", opened_by_two)
    client.download_artifacts(run_id, "big", there)
    assert seen[0] == seen[1] != seen[2]
    assert contents(there) == contents(folder / "deep/er")


def test_a_killed_process_leaves_whole_files_and_the_next_call_completes_them(
    tmp_path: Path, folder: Path
) -> None:
    lake = tmp_path / "lake"
    client = LakeflowClient(lake)
    run_id = client.create_run("0").info.run_id
    for number in range(20):
        (folder / f"n{number}").write_bytes(os.urandom(2_000_000))
    program = f"""
import os, signal
from lakeflow import MlflowClient
from lakeflow.filesystem.local import LocalFilesystem
put, seen = LocalFilesystem.upload, []
def upload(self, local, path):
    seen.append(path)
    if len(seen) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
    put(self, local, path)
LocalFilesystem.upload = upload
MlflowClient({str(lake)!r}).log_artifacts({run_id!r}, {str(folder)!r})
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == -9
    kept = Path(client.get_run(run_id).info.artifact_uri)
    there = contents(kept)
    assert 0 < len(there) < 24
    assert all(contents(folder)[name] == data for name, data in there.items())
    assert len(os.listdir(lake / ".staging")) == 1
    client.log_artifacts(run_id, folder)
    assert contents(kept) == contents(folder)
    assert store_of(client).artifacts.recorded(run_id).keys() == contents(folder).keys()


def test_beside_the_runs_of_an_experiment_only_our_own_remains_are_deleted(
    tmp_path: Path,
) -> None:
    client = LakeflowClient(tmp_path / "lake")
    elsewhere = tmp_path / "elsewhere"
    run_id = client.create_run(client.create_experiment("e", str(elsewhere))).info.run_id
    staging = elsewhere / ".staging"
    (staging / "folder of others").mkdir(parents=True)
    for name in ("0" * 32, "1" * 32, "file of others"):
        (staging / name).write_text("x")
        os.utime(staging / name, (1, 1))
    os.utime(staging / ("1" * 32))
    os.utime(staging / "folder of others", (1, 1))
    lakeflow.set_tracking_uri(tmp_path / "lake")
    lakeflow.artifacts.list_artifacts(str(elsewhere))
    assert len(os.listdir(staging)) == 4
    client.log_text(run_id, "x", "x.txt")
    assert sorted(os.listdir(staging)) == ["1" * 32, "file of others", "folder of others"]
