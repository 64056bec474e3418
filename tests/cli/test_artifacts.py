"""The files beside runs on the command line: listed, fetched, logged, checked."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lakeflow import LakeflowClient, cli

if TYPE_CHECKING:
    from pathlib import Path

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeflowClient:
    monkeypatch.setenv("LAKEFLOW_TRACKING_URI", str(tmp_path / "lake"))
    return LakeflowClient(tmp_path / "lake")


@pytest.fixture
def run_id(client: LakeflowClient) -> str:
    """Return a run with artifacts."""
    run_id = client.create_run("0").info.run_id
    client.log_text(run_id, "x", "a/b/c.txt")
    client.log_text(run_id, "yy", "d é.txt")
    return run_id


def ask(*arguments: object) -> int:
    return cli.main(["artifacts", *map(str, arguments)])


def listed(capsys: Captured, *arguments: object) -> list[tuple[str, int | None, str]]:
    assert ask("ls", *arguments, "--format", "json") == 0
    return [tuple(each.values()) for each in json.loads(capsys.readouterr().out)]


def folder_of(client: LakeflowClient, run_id: str) -> Path:
    from pathlib import Path

    return Path(client.get_run(run_id).info.artifact_uri)


def test_ls_lists_a_folder(client: LakeflowClient, run_id: str, capsys: Captured) -> None:
    assert ask("ls", run_id) == 0
    assert capsys.readouterr().out.splitlines() == [
        "kind    size  path",
        "------  ----  -------",
        "folder  NULL  a",
        "file       2  d é.txt",
        "(2 rows)",
    ]
    whole = [
        ("folder", None, "a"),
        ("folder", None, "a/b"),
        ("file", 1, "a/b/c.txt"),
        ("file", 2, "d é.txt"),
    ]
    assert listed(capsys, run_id, "-r") == whole
    assert listed(capsys, f"runs:/{run_id}", "-r") == whole
    assert listed(capsys, run_id, "a") == listed(capsys, f"runs:/{run_id}/a/") == whole[1:2]
    assert listed(capsys, run_id, "a", "-r") == whole[1:3]
    (folder_of(client, run_id) / "empty").mkdir()
    assert listed(capsys, run_id, "empty") == []
    uri = folder_of(client, run_id).as_uri()
    here = [(kind, size, f"artifacts/{path}") for kind, size, path in whole]
    assert [each for each in listed(capsys, uri, "-r") if "empty" not in each[2]] == here


def test_ls_shows_a_file_and_misses_none(run_id: str, capsys: Captured) -> None:
    assert listed(capsys, run_id, "d é.txt") == [("file", 2, "d é.txt")]
    assert listed(capsys, run_id, "a/b/c.txt") == [("file", 1, "a/b/c.txt")]
    for path, message in (("none", "No such artifact"), ("a/none", "No"), ("../..", "'../..'")):
        assert ask("ls", run_id, path) == 1
        assert message in capsys.readouterr().err
    assert ask("ls", "f" * 32) == 1
    assert "not found" in capsys.readouterr().err


def test_ls_goes_on_beside_a_folder_that_cannot_be_named(
    client: LakeflowClient, run_id: str, capsys: Captured
) -> None:
    (folder_of(client, run_id) / "a" / "red\x1b[31m").mkdir()
    assert ask("ls", run_id, "-r") == 1
    shown = capsys.readouterr()
    assert "a/red\\x1b[31m" in shown.out
    assert "d é.txt" in shown.out
    assert "not listed" in shown.err
    assert "\x1b" not in shown.out + shown.err


def test_get_fetches_into_a_folder(run_id: str, tmp_path: Path, capsys: Captured) -> None:
    assert ask("get", run_id, "a/b/c.txt") == 0
    assert capsys.readouterr().out == "a/b/c.txt\n"
    assert (tmp_path / "a/b/c.txt").read_text() == "x"
    assert ask("get", f"runs:/{run_id}/d é.txt", "new/folder") == 0
    assert (tmp_path / "new/folder/d é.txt").read_text() == "yy"
    assert ask("get", run_id, "", "all") == 0
    assert sorted(each.name for each in (tmp_path / "all").iterdir()) == ["a", "d é.txt"]
    capsys.readouterr()
    assert ask("get", run_id, "none") == 1
    assert "No such artifact" in capsys.readouterr().err
    assert ask("get", run_id, "a", "new/folder/d é.txt") == 1
    assert "cannot be a folder" in capsys.readouterr().err
    with pytest.raises(SystemExit) as ended:
        ask("get", f"runs:/{run_id}/a", "here", "there")
    assert ended.value.code == 2


def test_put_logs_a_file_or_a_folder(run_id: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "loss.png").write_bytes(b"png")
    assert ask("put", run_id, "plots/loss.png", "one") == 0
    assert ask("put", run_id, "plots") == 0
    assert ask("put", run_id, "plots/", "inside") == 0
    paths = [path for _, size, path in listed(capsys, run_id, "-r") if size == 3]
    assert paths == ["inside/loss.png", "one/loss.png", "plots/loss.png"]
    for arguments in (
        (run_id, "none"),
        (run_id, "none/"),
        (run_id, "plots", ".."),
        ("f" * 32, "plots"),
        (run_id, "plots", "--uri", "typo"),
    ):
        assert ask("put", *arguments) == 1
        assert capsys.readouterr().err.startswith("lakeflow: ")
    assert not (tmp_path / "typo").exists()


def test_verify_says_what_has_changed(
    client: LakeflowClient, run_id: str, capsys: Captured
) -> None:
    assert ask("verify") == 0
    good = ": 0 missing, 0 changed, 0 unreadable, 0 unrecorded\n"
    assert capsys.readouterr().out == f"2 files of 1 run and 0 models, 3 bytes{good}"
    folder = folder_of(client, run_id)
    (folder / "theirs").write_text("theirs")
    assert ask("verify", run_id) == 0, "others may put files there"
    assert "1 unrecorded" in capsys.readouterr().out
    (folder / "a/b/c.txt").write_text("z")
    assert ask("verify", "--quick") == 0
    assert ask("verify", "--experiment", "0", "--format", "jsonl") == 1
    out = capsys.readouterr().out.splitlines()[-2:]
    assert [list(json.loads(each).values())[:4] for each in out] == [
        ["changed", run_id, "", "a/b/c.txt"],
        ["unrecorded", run_id, "", "theirs"],
    ]
    (folder / "d é.txt").unlink()
    other = client.create_run("0").info.run_id
    assert ask("verify", other) == 0
    assert ask("verify", other, run_id) == 1
    assert "1 missing, 1 changed, 0 unreadable, 1 unrecorded" in capsys.readouterr().out
    assert ask("verify", "f" * 32) == ask("verify", "--experiment", "9") == 1
    model_id = client.create_logged_model("0", "m").model_id
    client.log_model_artifact(model_id, folder / "theirs")
    capsys.readouterr()
    assert ask("verify", "--model", model_id) == 0
    assert capsys.readouterr().out == f"1 file of 0 runs and 1 model, 6 bytes{good}"
    assert ask("verify", "--model", run_id) == 1
    for arguments in (["verify", "--slow"], [], ["ls"]):
        with pytest.raises(SystemExit) as ended:
            ask(*arguments)
        assert ended.value.code == 2


def test_a_long_transfer_shows_how_far_it_is(run_id: str, tmp_path: Path) -> None:
    (tmp_path / "two").mkdir()
    for name in "ab":
        (tmp_path / "two" / name).write_text(name)
    # As if a second had gone by already.
    program = """
import sys
from lakeflow.cli import main
from lakeflow.transfer import progress
progress._SECONDS_BEFORE_IT_IS_SHOWN = 0
for verb in (["put", *sys.argv[1:]], ["get", sys.argv[1], "", "all"], ["verify"]):
    assert main(["artifacts", *verb]) == 0
"""
    terminal, theirs = pty.openpty()
    command = [sys.executable, "-c", program, run_id, str(tmp_path / "two")]
    subprocess.run(command, stderr=theirs, stdout=subprocess.DEVNULL, check=True)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    os.close(theirs)
    for words in ("uploaded 1 of 2", "downloaded 1 of 4", "verified 1 of 4"):
        assert words in shown
