"""Every example in the docs and the README runs and prints what the page says."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def blocks(page: Path) -> list[tuple[str, str]]:
    return BLOCK.findall(page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_examples_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    found = blocks(page)
    code = "\n".join(text for kind, text in found if kind == "python")
    if not code:
        assert not re.search(r"^```python", page.read_text(), re.MULTILINE)
        return
    script = tmp_path / "page.py"
    script.write_text(code)
    answer = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    expected = [
        text
        for (before, _), (kind, text) in itertools.pairwise(found)
        if kind == "text" and before == "python"
    ]
    if expected:
        assert answer.stdout == "".join(expected)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_settings_page_lists_every_setting() -> None:
    from lakeflow.config import Settings
    from lakeflow.values import fields

    page = (ROOT / "docs/reference/settings.md").read_text()
    for name in fields(Settings):
        default = getattr(Settings(), name)
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        row = next(line for line in page.splitlines() if f"`LAKEFLOW_{name.upper()}`" in line)
        assert shown in row.replace("`", "")


def test_the_errors_page_lists_every_class_and_code() -> None:
    from lakeflow import exceptions

    page = (ROOT / "docs/reference/errors.md").read_text()
    for kind in vars(exceptions).values():
        if isinstance(kind, type) and issubclass(kind, exceptions.LakeflowException):
            assert f"`{kind.__name__}`" in page


@pytest.mark.parametrize(
    "example", sorted((ROOT / "examples").glob("*.py")), ids=lambda p: p.name
)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    small = ["--runs", "4", "--workers", "2"] if example.stem == "digits_sweep" else []
    answer = subprocess.run(
        [sys.executable, example, *small],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "nanobind" not in answer.stderr
