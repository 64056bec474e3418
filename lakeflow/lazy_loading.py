"""Names of a package that are loaded by who asks for them first (PEP 562, SPEC 1).

A job that logs would otherwise pay, before its first metric, for all that it never calls.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING

from lakeflow.system_errors import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _unknown(package: str, name: str) -> AttributeError:
    return AttributeError(f"module {package!r} has no attribute {name!r}")


def attach(
    package: str,
    names: Mapping[str, str],
    submodules: str = "",
    unknown: Callable[[str, str], AttributeError] = _unknown,
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Return a package's ``__getattr__``, ``__dir__`` and ``__all__``.

    Args:
        package: Its name.
        names: For a module the names that the package has of it, with spaces between.
        submodules: Modules of its own that are attributes of it as well.
        unknown: Returns the error of any other name, by the package's and that one.
    """
    homes = {name: module for module, words in names.items() for name in words.split()}
    homes |= dict.fromkeys(submodules.split(), "")

    def load(name: str) -> object:
        if name not in homes:
            raise unknown(package, name)
        home = homes[name]
        with loading(home or f"{package}.{name}"):
            module = importlib.import_module(home or f"{package}.{name}")
        value: object = getattr(module, name) if home else module
        # Whoever asks again finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    def offered() -> list[str]:
        # To whoever completes names: not the modules that the package is made of.
        special = (name for name in vars(sys.modules[package]) if name.startswith("__"))
        return [*homes, *special]

    return load, offered, sorted(name for name, home in homes.items() if home)
