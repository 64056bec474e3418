"""Debian packages fetched and unpacked into a folder: nothing is installed, no root needed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHECKOUT = Path(__file__).resolve().parents[2]


class PackagesMissingError(RuntimeError):
    """The packages of a server can be neither found nor fetched."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A folder of unpacked packages, laid over the machine's own files.

    Attributes:
        root: The folder. What was already installed when the packages were fetched is not in
            it, and is taken from the machine.
    """

    root: Path

    def find(self, path: str) -> Path:
        """Return a file or folder by its path from the root, e.g. ``usr/bin/radosgw``.

        Raises:
            PackagesMissingError: It is neither here nor on the machine.
        """
        for root in (self.root, Path("/")):
            found = min(root.glob(path), default=None)
            if found is not None:
                return found
        raise PackagesMissingError(f"no {path} in {self.root}, nor on this machine")

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which unpacked programs find their unpacked libraries."""
        folders = [
            folder
            for pattern in (
                "usr/lib/*-linux-gnu",
                "lib/*-linux-gnu",
                "usr/lib/*-linux-gnu/ceph",
                "usr/lib/*-linux-gnu/pulseaudio",
            )
            for folder in self.root.glob(pattern)
        ]
        return {**os.environ, "LD_LIBRARY_PATH": ":".join(map(str, folders))}


def cache_folder() -> Path:
    """Return where packages are kept: ``$LAKEFLOW_SERVERS``, or ``.servers`` in the checkout."""
    return Path(os.environ.get("LAKEFLOW_SERVERS") or _CHECKOUT / ".servers")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file; it is released even when the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def unpack(name: str, packages: Sequence[str]) -> Unpacked:
    """Return the folder of some packages and of all that they depend on.

    They are fetched the first time only; several processes may ask for them at once.

    Raises:
        PackagesMissingError: They cannot be fetched; the message says what to install.
    """
    cache = cache_folder()
    root = cache / name
    complete = root / ".complete"
    with locked(cache / f"{name}.lock"):
        # Other packages than before, or an unpacking that was interrupted: start again.
        if not complete.exists() or complete.read_text().split() != list(packages):
            shutil.rmtree(root, ignore_errors=True)
            archives = root / ".archives"
            (archives / "partial").mkdir(parents=True)
            _download(packages, archives, cache / "lists")
            for archive in sorted(archives.glob("*.deb")):
                _run("dpkg", "-x", str(archive), str(root))
            # Among what Ceph depends on is sudo: no copy that makes anybody root.
            _run("chmod", "-R", "u-s,g-s", str(root))
            shutil.rmtree(archives)
            complete.write_text(" ".join(packages))
    return Unpacked(root)


def _download(packages: Sequence[str], archives: Path, lists: Path) -> None:
    install = ["install", "-y", "-qq", "--no-install-recommends", "--download-only"]
    install += ["-o", f"Dir::Cache::archives={archives}", *packages]
    try:
        _apt(*install)
    except subprocess.CalledProcessError:
        # The machine's package lists are absent or out of date. Lists of our own need no
        # root, and leave what the machine knows alone.
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        own = ["-o", f"Dir::State::lists={lists}"]
        try:
            with locked(lists.with_suffix(".lock")):
                _apt("update", "-qq", *own)
            _apt(*install, *own)
        except subprocess.CalledProcessError as error:
            raise PackagesMissingError(
                f"cannot fetch the Debian packages {' '.join(packages)}: "
                f"{error.stderr.strip()}\n"
                f"Hint: apt-get install --no-install-recommends {' '.join(packages)}"
            ) from error


def _apt(*arguments: str) -> None:
    # The locks belong to the machine; the user of apt's sandbox cannot write into our folder.
    options = ["-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]
    _run("apt-get", *options, *arguments)


def _run(program: str, *arguments: str) -> None:
    try:
        subprocess.run(
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise PackagesMissingError(
            f"this machine has no {program}: the servers come as Debian packages"
        ) from error
