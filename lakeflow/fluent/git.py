"""The commit that a program's folder is at, read from git's files.

No process is started and GitPython is not imported: the files that say it are few, and they
have had this form since 2005. Where refs are kept in a reftable, which is a format of its own,
no commit is found.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

_INSTALLED = {"site-packages", "dist-packages"}

# A ref that names another one; what goes round in circles ends there.
_MOST_STEPS = 5

_MOST_CHARACTERS = 4096
"""Most that is read of a file with one line in it."""


def program_commit(program: str) -> str | None:
    """Return the commit that a program's folder is at; None where it is in no repository.

    As in MLflow, that is the folder of the main script, and not the current one: a session
    without a script has none. Nor has what is installed, though its environment may be in a
    folder of the repository: MLflow asks git whether that is ignored.

    Args:
        program: Path of a script, a notebook, or a folder with a ``__main__.py``.
    """
    is_folder = os.path.isdir(program)  # with a __main__.py in it
    if not (is_folder or os.path.isfile(program)):
        return None
    try:
        path = os.path.abspath(program)
    except OSError:  # the current folder is gone
        return None
    folder = path if is_folder else os.path.dirname(path)
    is_installed = folder == os.path.dirname(sys.executable or "") or not (
        _INSTALLED.isdisjoint(folder.split(os.sep))
    )
    return None if is_installed else commit_of(folder)


@functools.cache
def commit_of(folder: str) -> str | None:
    """Return the commit that is checked out where a folder is; None in no repository.

    Never raises: what cannot be read is no repository. It is found once a process, since the
    program stays what it was when others are checked out.

    Args:
        folder: An absolute path.
    """
    try:
        for git in _git_folders(folder):
            return _resolved(git, "HEAD")
    # ValueError: a path with a null byte in it.
    except (OSError, ValueError):
        pass
    return None


def _git_folders(folder: str) -> Iterator[str]:
    """Return where git keeps its files of a folder, the innermost repository first."""
    while True:
        git = os.path.join(folder, ".git")
        # Of a worktree and of a submodule it is a file that says where.
        if (line := _line(git)) is not None and line.startswith("gitdir: "):
            git = os.path.join(folder, line.removeprefix("gitdir: "))
        # Any folder may be called so: one with a HEAD is a repository.
        if os.path.isfile(os.path.join(git, "HEAD")):
            yield git
        folder, inner = os.path.dirname(folder), folder
        if folder == inner:
            return


def _resolved(git: str, ref: str) -> str | None:
    """Return the commit of a ref; None where it has none yet."""
    # All worktrees of a repository share its branches.
    common = os.path.join(git, _line(os.path.join(git, "commondir")) or "")
    for _ in range(_MOST_STEPS):
        line = _line(os.path.join(git, ref)) or _line(os.path.join(common, ref))
        if line is None:
            return _packed(common, ref)
        if not line.startswith("ref: "):
            return line if _COMMIT.fullmatch(line) else None
        ref = line.removeprefix("ref: ").strip()
        # Whoever made the folder is not to choose a file outside of it.
        if not ref.startswith("refs/") or ".." in ref:
            return None
    return None


def _packed(common: str, ref: str) -> str | None:
    path = os.path.join(common, "packed-refs")
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            commit, _, name = line.rstrip("\n").partition(" ")
            if name == ref and _COMMIT.fullmatch(commit):
                return commit
    return None


def _line(path: str) -> str | None:
    """Return what a small file says; None where there is none."""
    # A pipe would be waited for.
    if not os.path.isfile(path):
        return None
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_MOST_CHARACTERS).strip()
