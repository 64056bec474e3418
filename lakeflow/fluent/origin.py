"""The tags of a new run that say who has started it, with which program, at which commit."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from lakeflow.config import environment, user_name, variable
from lakeflow.entities import tag_names
from lakeflow.fluent.git import program_commit
from lakeflow.printable import readable

_logger = logging.getLogger(__name__)

# What MLflow calls a program of which nobody knows the name.
_NAMELESS = "<console>"
_LONGEST_NAME = 4_096


def origin_tags(run_name: str | None) -> dict[str, Any]:
    """Return the tags of a new run that its caller does not give.

    Args:
        run_name: Its name, if one is given: no name of the environment is to disagree.
    """
    # In a kernel the program is its launcher, which is the same for all notebooks.
    notebook = _notebook()
    # Where Python is embedded there may be no arguments.
    program = notebook or str(next(iter(getattr(sys, "argv", ())), ""))
    tags: dict[str, Any] = {
        # A program may say anything of itself, and what is too long for a tag stops a run.
        tag_names.SOURCE_NAME: readable(program)[:_LONGEST_NAME] or _NAMELESS,
        tag_names.SOURCE_TYPE: "NOTEBOOK" if notebook else "LOCAL",
    }
    known = {
        # On machines where everybody is one user.
        tag_names.USER: environment("TRACKING_USERNAME") or user_name(),
        tag_names.GIT_COMMIT: program_commit(program),
    }
    tags |= {name: value for name, value in known.items() if value is not None}
    tags |= _of_environment()
    if run_name:
        tags.pop(tag_names.RUN_NAME, None)
    return tags


def _notebook() -> str | None:
    """Return the path of the notebook whose kernel this is; None where it is not known.

    A kernel is told of it by VS Code in a variable of the notebook's, and by Jupyter's server
    in one of the environment, which programs that the kernel starts inherit.
    """
    # Whoever runs in a kernel has imported both, and nobody else pays for them.
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if "ipykernel" not in sys.modules or shell is None:
        return None
    path = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or variable(
        "JPY_SESSION_NAME"
    )
    # A console of Jupyter's has a session too.
    return path if isinstance(path, str) and path.endswith(".ipynb") else None


def _of_environment() -> dict[str, Any]:
    """Return the tags that ``LAKEFLOW_RUN_CONTEXT`` adds to every new run, as a JSON object."""
    text = environment("RUN_CONTEXT")
    if text is None:
        return {}
    try:
        tags = json.loads(text)
    except ValueError:
        tags = None
    if isinstance(tags, dict):
        return tags
    # As in MLflow: whoever has set it is not who has started the run.
    _logger.warning("RUN_CONTEXT of the environment is no JSON object of tags: %r", text)
    return {}
