"""Which files are read, and what cannot be."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from lakeflow.compat.files import read_files

if TYPE_CHECKING:
    from pathlib import Path

USES = "import mlflow\nmlflow.fly()\n"


def texts(folder: Path) -> dict[str, str]:
    """Return by name what is said first of each file of a folder."""
    return {
        os.path.relpath(each.path, folder): each.script.findings[0].text
        for each in read_files([folder])
    }


def test_scripts_are_found_where_people_keep_them(tmp_path: Path) -> None:
    for place in ("a", "b/c", ".git", ".venv", "env", "x/node_modules", "lib/site-packages"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "train.py").write_text(USES)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "a" / "notes.txt").write_text(USES)
    (tmp_path / "a" / "other.py").write_text("import numpy\n")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe.py")
    assert list(texts(tmp_path)) == ["a/train.py", "b/c/train.py"]
    given = [tmp_path / ".venv", tmp_path / "a" / "notes.txt", tmp_path / "a" / "notes.txt"]
    assert [each.path for each in read_files(given)] == [
        str(tmp_path / ".venv" / "train.py"),
        str(tmp_path / "a" / "notes.txt"),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"import mlflow\nprint 1\n", "cannot be read: Missing parentheses"),
        (b"import mlflow\n'\xff'\n", "cannot be read: "),
        (b"# coding: nonsense\nimport mlflow\n", "cannot be read: "),
        (b"import mlflow\n\x00\n", "cannot be read: "),
        (b"import mlflow\n" + b"(" * 5000, "cannot be read: "),
        (b"import mlflow\nx = " + b"-" * 20000 + b"1", "cannot be read: "),
        (b"import mlflow" + b"\n" * 6_000_000, "cannot be read: it is longer than"),
    ],
    ids=["python 2", "bytes", "coding", "null", "brackets", "depth", "length"],
)
def test_what_is_no_python_is_said_and_no_more(
    tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "a.py").write_bytes(content)
    (tmp_path / "b.py").write_text(USES)
    assert texts(tmp_path)["a.py"].startswith(said)
    assert texts(tmp_path)["b.py"] == "`mlflow.fly` is not in lakeflow"


def test_other_encodings_and_long_expressions_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(f"# coding: latin-1\n# \xe9\n{USES}".encode("latin-1"))
    (tmp_path / "b.py").write_text(
        f"{USES}\nx = {' + '.join(['1'] * 900)}\n'\\d'\n", "utf-8-sig"
    )
    assert set(texts(tmp_path).values()) == {"`mlflow.fly` is not in lakeflow"}


def test_cells_of_a_notebook_are_one_script(tmp_path: Path) -> None:
    cells = [
        ("markdown", "# mlflow.fly()"),
        ("code", ["%pip install mlflow\n", "import mlflow\n", "for x in y:\n", "    !ls\n"]),
        ("code", "%%bash\nmlflow.fly()"),
        ("code", "x = ("),
        ("code", "\nmlflow.fly()"),
    ]
    content = {"cells": [{"cell_type": kind, "source": text} for kind, text in cells]}
    (tmp_path / "a.ipynb").write_text(json.dumps(content))
    (report,) = read_files([tmp_path])
    assert [report.place(each.lines[0]) for each in report.script.findings] == [
        "cell 4:1",
        "cell 5:2",
    ]
    assert [each.kind for each in report.script.findings] == ["unread", "absent"]


@pytest.mark.parametrize(
    "before",
    [
        "print('%s'\n      % x)",
        "same = (a\n    != b)",
        "found = !ls\nspent = %timeit -o 1",
        "mlflow.start_run?\n?mlflow",
        "!pip install mlflow \\\n    pandas",
        "%%time",
        "\n%%capture output",
    ],
)
def test_what_a_notebook_has_beside_python_hides_nothing(tmp_path: Path, before: str) -> None:
    code = f"{before}\n{USES}"
    content = {"cells": [{"cell_type": "code", "source": code}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(content))
    (report,) = read_files([tmp_path])
    (finding,) = report.script.findings
    assert finding.text == "`mlflow.fly` is not in lakeflow"
    assert report.place(finding.lines[0]) == f"cell 1:{before.count(chr(10)) + 3}"


@pytest.mark.parametrize("content", ["mlflow", "[]", '{"mlflow": 1}', '{"cells": ["mlflow"]}'])
def test_what_is_no_notebook_is_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.ipynb").write_text(content + " " * 10 + "\n")
    found = texts(tmp_path)
    assert found in ({}, {"a.ipynb": "cannot be read: it is no notebook"})
    assert bool(found) == ("mlflow" in content)
