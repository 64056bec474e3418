"""Which names and variables of a script evidently stand for MLflow or something of it. Pure."""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lakeflow.compat.bindings import chain, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CLIENTS = {"MlflowClient", "LakeflowClient"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Use:
    """A name of MLflow where it is used, as a path within the package.

    A client and its class have one path, ``MlflowClient``.
    """

    node: ast.expr
    path: str


def uses_of(
    tree: ast.Module, imported: Mapping[str, str], parents: Mapping[ast.AST, ast.AST]
) -> Iterator[Use]:
    """Return where names of MLflow are used.

    Args:
        tree: The script.
        imported: What the names that it imports stand for.
        parents: The node above each node of the script.
    """
    variables = _Variables(tree, imported, parents)
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)):
            continue
        # Of mlflow.entities.Metric only the whole, not also mlflow.entities.
        if not isinstance(parents[node], ast.Attribute):
            path = variables.path_of(node)
            if path:
                yield Use(node, path)


class _Variables:
    """Variables such as ``client`` and ``self.client``, each within its function or class.

    One that is assigned two different things in one place is not evident and left out.
    """

    def __init__(
        self, tree: ast.Module, imported: Mapping[str, str], parents: Mapping[ast.AST, ast.AST]
    ) -> None:
        self._imported = imported
        self._parents = parents
        self._paths: dict[str, dict[ast.AST, set[str | None]]] = {}
        # The second time is for what is assigned from a variable that the first time found.
        for _ in range(2):
            found: dict[str, dict[ast.AST, set[str | None]]] = defaultdict(
                lambda: defaultdict(set)
            )
            for node in ast.walk(tree):
                for name, path in self._assigned(node):
                    found[name][next(self._scopes(node, name))].add(path)
            self._paths = found

    def path_of(self, node: ast.AST) -> str | None:
        """Return the path that an expression has within MLflow; None where it has none."""
        if isinstance(node, ast.Call):
            # By the last name: there are several ways to it, such as ``tracking.MlflowClient``.
            is_client = (self.path_of(node.func) or "").rpartition(".")[2] in _CLIENTS
            return "MlflowClient" if is_client else None
        if isinstance(node, ast.BoolOp):
            return self._first(node.values)
        if isinstance(node, ast.IfExp):
            return self._first([node.body, node.orelse])
        root, names = chain(node)
        if isinstance(root, ast.Call):
            path = self.path_of(root)
            return None if path is None else joined(path, *names)
        return self._path_of_names(root, names) if isinstance(root, ast.Name) else None

    def _first(self, nodes: list[ast.expr]) -> str | None:
        paths = (self.path_of(node) for node in nodes)
        return next((path for path in paths if path is not None), None)

    def _path_of_names(self, root: ast.Name, names: list[str]) -> str | None:
        if root.id in self._imported:
            return joined(self._imported[root.id], *names)
        for count in range(len(names) + 1):
            path = self._path_of_variable(root, joined(root.id, *names[:count]))
            if path is not None:
                return joined(path, *names[count:])
        return None

    def _path_of_variable(self, node: ast.Name, name: str) -> str | None:
        if name not in self._paths:
            return None
        paths = self._paths[name]
        for scope in self._scopes(node, name):
            if scope in paths:
                return _only(paths[scope])
        # A parameter, mostly: what is given for it has its name elsewhere.
        return _only({each for found in paths.values() for each in found} - {None})

    def _scopes(self, node: ast.AST, name: str) -> Iterator[ast.AST]:
        """Return the functions around a node, for ``self.x`` the classes; then the module."""
        kinds = (ast.ClassDef,) if "." in name else _FUNCTIONS
        while node in self._parents:
            node = self._parents[node]
            if isinstance(node, kinds) or node not in self._parents:
                yield node

    def _assigned(self, node: ast.AST) -> Iterator[tuple[str, str | None]]:
        """Return the variables that a node assigns to, and the paths that these get."""
        if isinstance(node, ast.arg):
            if node.annotation is not None:
                yield node.arg, self._annotated(node.annotation)
            return
        if isinstance(node, ast.FunctionDef):
            if node.returns is not None and any(map(_is_property, node.decorator_list)):
                yield f"self.{node.name}", self._annotated(node.returns)
            return
        targets, value = _targets(node)
        # `client = None` only keeps a place for what comes later.
        if isinstance(value, ast.Constant) and value.value is None:
            return
        path = None if value is None else self.path_of(value)
        for target in targets:
            root, names = chain(target)
            if isinstance(root, ast.Name):
                yield joined(root.id, *names), path
            else:
                inner = (each for each in ast.walk(target) if isinstance(each, ast.Name))
                yield from ((each.id, None) for each in inner)

    def _annotated(self, annotation: ast.expr) -> str | None:
        """Return the path of a client where one is named, as in ``MlflowClient | None``."""
        paths = (
            str(each.value) if isinstance(each, ast.Constant) else self.path_of(each) or ""
            for each in ast.walk(annotation)
        )
        is_client = any(path.rpartition(".")[2] in _CLIENTS for path in paths)
        return "MlflowClient" if is_client else None


def _is_property(decorator: ast.expr) -> bool:
    root, names = chain(decorator)
    # cached_property and its like too.
    return "property" in (names[-1] if names else getattr(root, "id", ""))


def _only(paths: set[str | None]) -> str | None:
    return next(iter(paths)) if len(paths) == 1 else None


def _targets(node: ast.AST) -> tuple[list[ast.expr], ast.expr | None]:
    """Return what a node assigns to, and what it assigns where that is one expression."""
    if isinstance(node, ast.Assign):
        return node.targets, node.value
    if isinstance(node, ast.AnnAssign | ast.NamedExpr):
        return ([node.target], node.value) if node.value else ([], None)
    if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
        return [node.target], None
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return [node.optional_vars], None
    return [], None
