"""Which of MLflow's names are here: lakeflow itself is asked, so no list can be out of date."""

from __future__ import annotations

import functools
import importlib
import inspect
from dataclasses import dataclass
from types import ModuleType

import lakeflow
from lakeflow.mlflows_own import MLFLOWS_OWN


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is at a path.

    Attributes:
        missing: The shortest beginning of the path that is not here, without the package;
            empty where all of it is.
        value: What is there; None where that is nothing, or cannot be known without running.
    """

    missing: str
    value: object = None


@functools.cache
def look_up(path: str) -> Lookup:
    """Return what ``lakeflow`` has at a path such as ``entities.Metric`` or ``start_run``.

    What comes after something that is no module and no class belongs to values that only
    exist when a script runs, so it counts as here.

    Examples:
        >>> look_up("sklearn.log_model").missing
        'sklearn'
        >>> look_up("MlflowClient.get_run").missing
        ''
    """
    value: object = lakeflow
    parts = path.split(".") if path else []
    for count, part in enumerate(parts, 1):
        if not isinstance(value, ModuleType | type):
            return Lookup("")
        try:
            value = _member(value, part)
        except (AttributeError, ImportError):
            return Lookup(".".join(parts[:count]))
    return Lookup("", value)


def _member(owner: ModuleType | type, name: str) -> object:
    try:
        return getattr(owner, name)
    except AttributeError:
        if isinstance(owner, type):
            raise
    # A module is an attribute of its package only once somebody has imported it.
    return importlib.import_module(f"{owner.__name__}.{name}")


def takes(value: object, keyword: str) -> bool:
    """Return whether a call of a value may have this keyword; True where nobody knows."""
    if not callable(value):
        return True
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(each.name == keyword or each.kind is each.VAR_KEYWORD for each in parameters)


def stays_with_mlflow(path: str) -> bool:
    """Return whether a path is of models, flavours or autologging, which are MLflow's own."""
    return path.partition(".")[0] in MLFLOWS_OWN
