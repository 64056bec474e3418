"""Folders of MLflow's file store: documents of YAML, and a file for each key."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.importing.items import Problem, reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

META = "meta.yaml"

_BYTES_A_CHUNK = 256 * 1024
"""What is read of a file of points at once: some thousand of them."""

_LONGEST_LINE = 64 * 1024
"""Bytes of a line of points; what is longer is something else."""


class StoreFolders:
    """Reads folders of a file store; what is broken is reported with its path.

    Args:
        root: The folder of the store.

    Attributes:
        root: The folder of the store.
        folders: The folder of each experiment that was met, by its key.
        report: Told of what is broken.
    """

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.folders: dict[str, str] = {}
        self.report: Callable[[Problem], None] = lambda _: None

    def meta(self, folder: str, name: str = META) -> dict[str, Any] | None:
        """Return what the document of a folder says; None if it says nothing.

        Args:
            folder: The folder.
            name: The document.
        """
        import yaml

        path = os.path.join(folder, name)
        # That of libyaml is many times as fast, and not every PyYAML is built with it.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            with open(path, "rb") as file:
                found = yaml.load(file, loader)
        except FileNotFoundError:
            self.report(Problem(folder, f"all of it is left out: it has no {name}"))
            return None
        except (OSError, ValueError, yaml.YAMLError) as error:
            self.report(Problem(path, f"all of its folder is left out: {reason(error)}"))
            return None
        if type(found) is not dict:
            why = "it is empty" if found is None else "it is no mapping"
            self.report(Problem(path, f"all of its folder is left out: {why}"))
            return None
        return found

    def metas(self, folder: str) -> Iterator[dict[str, Any]]:
        """Yield what the ``meta.yaml`` of each folder in a folder says."""
        for name in folders_in(folder, self.report):
            found = self.meta(os.path.join(folder, name))
            if found is not None:
                yield found

    def texts(self, folder: str) -> dict[str, str]:
        """Return the texts of the files of a folder by key."""
        found = {}
        for key, path in self.files_of(folder):
            try:
                with open(path, "rb") as file:
                    # One byte more tells that it is too long: of gigabytes no more is read.
                    data = file.read(validation.MAX_VALUE_BYTES + 1)
                if len(data) > validation.MAX_VALUE_BYTES:
                    why = f"it is longer than {validation.MAX_VALUE_BYTES:,} bytes"
                    self.report(Problem(path, why))
                else:
                    found[key] = data.decode()
            except (OSError, ValueError) as error:
                self.report(Problem(path, reason(error)))
        return found

    def files_of(self, folder: str, below: str = "") -> Iterator[tuple[str, str]]:
        """Yield the key and the path of each file below a folder, in order."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return
        except OSError as error:
            self.report(Problem(folder, reason(error)))
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self.files_of(entry.path, f"{below}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield _key_of(f"{below}{entry.name}"), entry.path
            else:
                self.report(Problem(entry.path, "it is neither a file nor a folder"))

    def blocks(self, path: str) -> Iterator[bytes]:
        """Yield a file in parts."""
        try:
            # What is read in large parts would only be copied by a buffer.
            with open(path, "rb", buffering=0) as file:
                while block := file.read(_BYTES_A_CHUNK):
                    yield block
        except OSError as error:
            self.report(Problem(path, reason(error)))

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Yield whole lines of a file of points, many at once, and the number of the first.

        What stands behind the last end of a line is reported.
        """
        rest, first = b"", 1
        for block in self.blocks(path):
            # Without any end of a line the rest would grow with each block, which copies it.
            if len(rest) > _LONGEST_LINE:
                break
            whole, newline, rest = (rest + block).rpartition(b"\n")
            if newline:
                lines = whole + newline
                yield first, lines
                first += lines.count(b"\n")
        if rest:
            why = f"its last line is cut: {rest[:80].decode('utf-8', 'replace')!r}"
            self.report(Problem(path, why))

    def whole(self, meta: Mapping[str, Any], name: str, folder: str) -> int | None:
        """Return a whole number of a document; None if there is none."""
        value = meta.get(name)
        # To isinstance() a true of YAML is a whole number too.
        if value is None or type(value) is int:
            return value
        path = os.path.join(folder, META)
        self.report(Problem(path, f"{name} is {value!r}, and no whole number"))
        return None


def folders_in(parent: str, report: Callable[[Problem], None] = lambda _: None) -> list[str]:
    """Return the names of the folders in a folder, in order; none if there is none.

    Links count as what they lead to, as MLflow takes them.

    Args:
        parent: The folder.
        report: Told of links that lead to nothing, or to a folder around themselves.
    """
    try:
        entries = sorted(os.scandir(parent), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = []
    for entry in entries:
        if entry.is_symlink() and not _leads_on(entry.path, os.path.realpath(parent)):
            report(Problem(entry.path, "it is a link that leads to nothing, or back"))
        elif entry.is_dir():
            found.append(entry.name)
    return found


def _leads_on(link: str, parent: str) -> bool:
    target = os.path.realpath(link)
    return os.path.exists(target) and os.path.commonpath([parent, target]) != target


def _key_of(name: str) -> str:
    """Return the key that a file is of; some tools escape what is odd in a name."""
    if "%" not in name:
        return name
    try:
        return validation.key(unquote(name, errors="strict"))
    except (InvalidInputError, UnicodeDecodeError):
        return name
