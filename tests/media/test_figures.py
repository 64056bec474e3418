"""Figures of matplotlib and plotly as files."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest
from matplotlib.figure import Figure
from plotly import graph_objects

from lakeflow.exceptions import LakeflowException
from lakeflow.media import figures

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "start"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a", b"\x89PNG")]
)
def test_a_figure_of_matplotlib_is_saved_under_its_own_name(
    tmp_path: Path, name: str, start: bytes
) -> None:
    figures.save(Figure(), str(tmp_path / name), {"dpi": 20})
    assert (tmp_path / name).read_bytes().startswith(start)


def test_a_page_of_plotly_loads_the_library_unless_told_otherwise(tmp_path: Path) -> None:
    figure = graph_objects.Figure(graph_objects.Scatter(x=[0, 1], y=[2, 3]))
    options: dict[str, object] = {}
    figures.save(figure, str(tmp_path / "a.html"), options)
    assert not options
    assert (tmp_path / "a.html").stat().st_size < 100_000
    assert "cdn.plot.ly" in (tmp_path / "a.html").read_text()
    figures.save(figure, str(tmp_path / "b.html"), {"include_plotlyjs": False})
    assert "cdn.plot.ly" not in (tmp_path / "b.html").read_text()


def test_an_image_of_plotly_says_what_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(LakeflowException, match="kaleido") as caught:
        figures.save(graph_objects.Figure(), str(tmp_path / "a.png"))
    assert caught.value.error_code == "FEATURE_DISABLED"


def test_what_is_no_figure_or_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="dict"):
        figures.save({}, str(tmp_path / "a.png"))
    with pytest.raises(TypeError, match=r"'\.txt'"):
        figures.save(graph_objects.Figure(), str(tmp_path / "a.txt"))
