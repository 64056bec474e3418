"""The commit of a program's folder, beside what git says, and never an error."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.fluent.git import commit_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TAG = "mlflow.source.git.commit"
COMMIT = "1234567890" * 4


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody in particular and return what it says."""
    who = {f"GIT_{role}_{what}": "a@b.c" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # fmt: skip
    environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "re po"
    (folder / "deep" / "er").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "feature/x")
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    return folder


@pytest.fixture(autouse=True)
def found_anew() -> Iterator[None]:
    commit_of.cache_clear()
    yield
    commit_of.cache_clear()


def found(folder: Path) -> str | None:
    commit_of.cache_clear()
    return commit_of(str(folder))


def test_it_is_what_git_says(repository: Path, tmp_path: Path) -> None:
    def check(folder: Path) -> None:
        assert found(folder) == git(folder, "rev-parse", "HEAD")

    check(repository)
    check(repository / "deep" / "er")
    git(repository, "pack-refs", "--all")
    check(repository)
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    check(repository)
    git(repository, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"), "HEAD~1")
    git(repository, "pack-refs", "--all")
    check(tmp_path / "tree")
    assert found(tmp_path / "tree") != found(repository)
    git(repository, "symbolic-ref", "refs/heads/alias", "refs/heads/other")
    git(repository, "symbolic-ref", "HEAD", "refs/heads/alias")
    check(repository)
    git(repository, "checkout", "-q", "--detach", "feature/x")
    check(repository)
    git(repository, "submodule", "add", "-q", str(tmp_path / "tree"), "sub")
    check(repository / "sub")


def test_where_there_is_no_commit_there_is_none(repository: Path, tmp_path: Path) -> None:
    assert found(tmp_path) is None
    assert found(tmp_path / "missing") is None
    git(repository, "symbolic-ref", "HEAD", "refs/heads/unborn")
    assert found(repository) is None


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"ref: ",
        b"ref: ../secret",
        b"ref: refs/../../secret",
        b"ref: HEAD",
        b"ref: refs/heads/loop",
        b"\xff\xfe\x00",
        b"ref: refs/heads/\x00",
        COMMIT.encode() + b"0",
        b"0" * 1_000_000,
        "pipe",
        "folder",
        "link",
    ],
)
def test_what_is_no_head_is_no_commit_and_no_error(tmp_path: Path, head: bytes | str) -> None:
    git_folder = tmp_path / "r" / ".git"
    (git_folder / "refs" / "heads").mkdir(parents=True)
    (tmp_path / "r" / "secret").write_text(COMMIT)
    (git_folder / "refs" / "heads" / "loop").write_text("ref: refs/heads/loop")
    place = git_folder / "HEAD"
    if isinstance(head, bytes):
        place.write_bytes(head)
    elif head == "pipe":
        os.mkfifo(place)
    elif head == "folder":
        place.mkdir()
    else:
        place.symlink_to(place)
    assert found(tmp_path / "r") is None
    assert commit_of("/\0") is None


def test_a_run_says_at_which_commit_its_program_is(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lakeflow.set_tracking_uri("memory://git")
    installed = repository / "venv" / "lib" / "site-packages"
    installed.mkdir(parents=True)
    (repository / "bin").mkdir()
    monkeypatch.setattr(sys, "executable", str(repository / "bin" / "python"))
    programs = [
        *(tmp_path / "a.py", repository / "deep" / "a.py"),
        *(installed / "pytest.py", repository / "bin" / "lakeflow"),
    ]
    for program in programs:
        program.touch()
    head = git(repository, "rev-parse", "HEAD")
    wanted: dict[str, str | None] = {
        str(tmp_path / "a.py"): None,
        str(repository / "deep" / "a.py"): head,
        os.path.relpath(repository / "deep" / "a.py"): head,
        str(repository): head,
        str(installed / "pytest.py"): None,
        str(repository / "bin" / "lakeflow"): None,
        "-c": None,
        "": None,
        "\ud800": None,
    }
    # A session without a script has none, also where its folder is in a repository.
    for program, commit in wanted.items():
        monkeypatch.setattr(sys, "argv", [program])
        with lakeflow.start_run() as run:
            assert run.data.tags.get(TAG) == commit, program
    monkeypatch.setattr(sys, "argv", [str(repository)])
    with lakeflow.start_run(tags={TAG: "mine"}) as run:
        assert run.data.tags[TAG] == "mine"
    git(repository, "commit", "-q", "--allow-empty", "-m", "two")
    with lakeflow.start_run() as run:
        assert run.data.tags[TAG] == head, "the program is still the one that was started"
