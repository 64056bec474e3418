"""Figures of matplotlib and plotly, as files."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLOTLY_IMAGES = (".png", ".jpeg", ".webp", ".svg", ".pdf")


def save(figure: Any, path: str, options: Mapping[str, Any] | None = None) -> None:
    """Save a figure in the format that a path ends with.

    Args:
        figure: A figure of matplotlib or plotly.
        path: Where to, on this machine.
        options: What the library's own method takes beside the path.

    Raises:
        TypeError: It is no such figure, or plotly has no such format.
        LakeflowException: FEATURE_DISABLED, plotly's images need kaleido, which is missing.
    """
    named = dict(options or {})
    # Who has a figure has loaded its library: neither is loaded here to look at the other's.
    if _is(figure, "matplotlib.figure"):
        if not os.path.splitext(path)[1]:
            # Else matplotlib appends one, and the file has another name than was asked for.
            named.setdefault("format", sys.modules["matplotlib"].rcParams["savefig.format"])
        figure.savefig(path, **named)
    elif _is(figure, "plotly.graph_objs"):
        _save_plotly(figure, path, named)
    else:
        raise TypeError(
            f"figure is a {type(figure).__name__}, and neither matplotlib's nor plotly's"
        )


def _is(figure: Any, module: str) -> bool:
    kind = getattr(sys.modules.get(module), "Figure", None)
    return kind is not None and isinstance(figure, kind)


def _save_plotly(figure: Any, path: str, options: dict[str, Any]) -> None:
    extension = os.path.splitext(path)[1]
    if extension == ".html":
        # A page that loads the library is small; every page else has 4 MB of it.
        figure.write_html(path, **{"include_plotlyjs": "cdn", "auto_open": False} | options)
    elif extension in _PLOTLY_IMAGES:
        from importlib.util import find_spec

        if find_spec("kaleido") is None:
            raise LakeflowException(
                f"plotly needs kaleido for an image such as {os.path.basename(path)!r}",
                "FEATURE_DISABLED",
                hint="pip install kaleido, or log the figure as .html",
            )
        figure.write_image(path, **options)
    else:
        raise TypeError(
            f"a figure of plotly's cannot be saved with the extension '{extension}'"
        )
