"""Folders to scripts: which files are read, the cells of notebooks, what cannot be read."""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import warnings
from bisect import bisect_right
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakeflow.compat.scripts import Finding, Script, read_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 200_000_000
"""Of a file; a notebook has its pictures in it."""

MAX_CODE = 5_000_000
"""Characters of Python. No person wrote more, and a tree takes a hundred times as much."""

_ENDINGS = (".py", ".ipynb")
_PASSED_OVER = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
_COMMAND = re.compile(
    r"""
    ^([ \t]*)
    (?: (?: [\w.]+ [ \t]* = [ \t]* )?   # what it prints may become a variable
        (?: %{1,2}[a-z] | !(?!=) )      # "% x" is a line of Python, of a long expression
        .* (?: (?<=\\) \n .* )*          # a line that ends so goes on in the next one
      | \? .*
      | [\w.*]+ \?{1,2} [ \t]* $
    )
    """,
    re.MULTILINE | re.VERBOSE | re.IGNORECASE,
)
_OF_A_CELL = re.compile(r"\s*%%(\S*)")
_AROUND_PYTHON = {"capture", "prun", "time", "timeit"}


@dataclass(frozen=True, slots=True)
class Report:
    """What was found in one file.

    Attributes:
        path: The file.
        script: What is in it.
        cells: Of a notebook, the line with which each of its cells begins, from 1 on, where all
            of them are one text.
    """

    path: str
    script: Script
    cells: tuple[int, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Return whether all of it could be read."""
        return all(finding.kind != "unread" for finding in self.script.findings)

    def place(self, line: int) -> str:
        """Return a line as people count: of a notebook by its cell."""
        if not self.cells:
            return str(line)
        cell = bisect_right(self.cells, line)
        return f"cell {cell}:{line - self.cells[cell - 1] + 1}"


def read_files(paths: Iterable[Path]) -> Iterator[Report]:
    """Return what is in those scripts and notebooks that have to do with MLflow.

    Hidden folders, environments and installed packages are passed over, and links are not
    followed, unless they are given themselves. Each file is read once.
    """
    seen = set()
    for path in paths:
        for each in _walk(path) if path.is_dir() else [path]:
            if isinstance(each, Report):
                yield each
            elif (real := os.path.realpath(each)) not in seen:
                seen.add(real)
                report = _read(each)
                if report.script.packages or report.script.findings:
                    yield report


def _walk(folder: Path) -> Iterator[Path | Report]:
    refused: list[OSError] = []
    for parent, folders, files in os.walk(folder, onerror=refused.append):
        folders[:] = sorted(name for name in folders if not _is_passed_over(parent, name))
        for name in sorted(files):
            path = Path(parent, name)
            # A pipe or a socket would let us wait for ever.
            if name.endswith(_ENDINGS) and path.is_file():
                yield path
    for error in refused:
        yield _unread(str(error.filename), error.strerror or str(error))


def _is_passed_over(parent: str, name: str) -> bool:
    is_environment = os.path.exists(os.path.join(parent, name, "pyvenv.cfg"))
    return name.startswith(".") or name in _PASSED_OVER or is_environment


def _unread(path: str, why: str, line: int = 1) -> Report:
    return Report(path, Script(frozenset(), (_not_read(why, line),)))


def _not_read(why: str, line: int) -> Finding:
    return Finding("unread", "", "", f"cannot be read: {why}", (line,))


def _read(path: Path) -> Report:
    try:
        if not path.is_file():
            return _unread(str(path), "it is no file")
        if path.stat().st_size > MAX_BYTES:
            return _unread(str(path), f"it has more than {MAX_BYTES:,} bytes")
        content = path.read_bytes()
    except OSError as error:
        return _unread(str(path), error.strerror or str(error))
    # Most files of a folder have nothing to do with it, and may be of any Python.
    if b"mlflow" not in content and b"lakeflow" not in content:
        return Report(str(path), Script(frozenset(), ()))
    if path.suffix == ".ipynb":
        return _read_notebook(str(path), content)
    # As bytes, whose first lines may say that they are in another encoding.
    tree, findings = _parsed(content, 1)
    return Report(str(path), _script(tree, findings))


def _script(tree: ast.Module, unread: list[Finding]) -> Script:
    try:
        script = read_script(tree)
    except RecursionError:
        return Script(frozenset(), (_not_read("it is nested too deep", 1),))
    findings = sorted([*script.findings, *unread], key=lambda finding: finding.lines)
    return replace(script, findings=tuple(findings))


def _parsed(source: str | bytes, first: int) -> tuple[ast.Module, list[Finding]]:
    """Return the tree of a text, its lines counted from ``first`` on; else what is wrong."""
    if len(source) > MAX_CODE:
        return ast.Module([], []), [_not_read(f"it is longer than {MAX_CODE:,}", first)]
    try:
        with warnings.catch_warnings():
            # Such as of "\d" in a text, which is not our business.
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except SyntaxError as error:
        version = ".".join(map(str, sys.version_info[:2]))
        why = f"{error.msg}, says Python {version}"
        return ast.Module([], []), [_not_read(why, first - 1 + (error.lineno or 1))]
    # Half of a character, which JSON can write, is a ValueError; and where the stack of the
    # parser is too small, it is a MemoryError.
    except (ValueError, RecursionError, MemoryError) as error:
        return ast.Module([], []), [_not_read(str(error) or "it is nested too deep", first)]
    ast.increment_lineno(tree, first - 1)
    return tree, []


def _read_notebook(path: str, content: bytes) -> Report:
    try:
        cells = [_code(cell) for cell in _cells(json.loads(content))]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return _unread(path, "it is no notebook")
    body, unread, starts, line = [], [], [], 1
    for code in cells:
        tree, findings = _parsed(code, line)
        starts.append(line)
        body += tree.body
        unread += findings
        # Lines are counted on through all cells; ``Report.place`` finds the cell again.
        line += code.count("\n") + 1
    return Report(path, _script(ast.Module(body, []), unread), tuple(starts))


def _cells(notebook: Any) -> list[Any]:
    # Before format 4 of notebooks, cells were on worksheets.
    sheets = notebook.get("worksheets", [notebook])
    return [cell for sheet in sheets for cell in sheet["cells"]]


def _code(cell: Any) -> str:
    """Return the Python of a cell; of any other one nothing."""
    if cell["cell_type"] != "code":
        return ""
    given = cell["source"] if "source" in cell else cell["input"]
    text = given if isinstance(given, str) else "".join(given)
    # A cell that begins so is as a rule for the shell or another language.
    found = _OF_A_CELL.match(text)
    if found and found[1] not in _AROUND_PYTHON:
        return ""
    # What is for the notebook's shell becomes a statement, as there may be no other in a block.
    # Lines keep their numbers.
    return _COMMAND.sub(lambda found: f"{found[1]}pass" + "\n" * found[0].count("\n"), text)
