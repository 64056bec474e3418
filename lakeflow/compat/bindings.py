"""What a script imports of MLflow and lakeflow, and chains of attributes. Pure."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = {"mlflow", "lakeflow"}


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement asks for.

    Attributes:
        node: The statement.
        package: ``mlflow`` or ``lakeflow``.
        loads: What is asked for, as a path within the package; empty for the package itself.
        name: What it is called from here on; ``*`` for every name.
        path: What that name stands for: the package in ``import mlflow.sklearn``.
    """

    node: ast.Import | ast.ImportFrom
    package: str
    loads: str
    name: str
    path: str


def imports_of(tree: ast.Module) -> Iterator[Import]:
    """Return what is imported of MLflow and lakeflow, anywhere in a script."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                package, _, loads = alias.name.partition(".")
                # Without ``as`` an ``import mlflow.sklearn`` binds the package alone.
                name, path = alias.asname or package, loads if alias.asname else ""
                yield Import(node, package, loads, name, path)
        # A relative import is of the script's own package.
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            package, _, within = node.module.partition(".")
            for alias in node.names:
                loads = within if alias.name == "*" else joined(within, alias.name)
                yield Import(node, package, loads, alias.asname or alias.name, loads)


def joined(*parts: str) -> str:
    """Return a path of its parts, of which some may be empty."""
    return ".".join(filter(None, parts))


def chain(node: ast.AST) -> tuple[ast.AST, list[str]]:
    """Return what a chain of attributes begins with, and their names."""
    names = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return node, names[::-1]
