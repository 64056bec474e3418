"""One script to what keeps it from running on lakeflow, by its syntax tree. Pure: nothing runs.

1. ``imports_of``, ``uses_of``: the names of MLflow in it, as paths
2. ``_real_ones``: imports of MLflow itself beside those of lakeflow
3. ``_absences``: names and parameters that lakeflow does not have
4. ``_locations``: addresses of servers and databases
5. ``_comparisons``: where the version of MLflow is compared
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import TYPE_CHECKING, Literal

import lakeflow
from lakeflow.compat.bindings import PACKAGES, chain, imports_of, joined
from lakeflow.compat.names import look_up, stays_with_mlflow, takes
from lakeflow.compat.variables import uses_of
from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lakeflow.compat.bindings import Import
    from lakeflow.compat.variables import Use

    Parents = Mapping[ast.AST, ast.AST]

Kind = Literal["real", "model", "absent", "location", "version", "unread"]
Door = Literal["lakeflow", "mlflow"]

_PARSERS = {"LooseVersion", "StrictVersion", "Version", "parse", "parse_version"}
_TAKE_LOCATIONS = {"set_tracking_uri", "MlflowClient", "LakeflowClient"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something for which a script does not run on lakeflow as it does on MLflow.

    Attributes:
        kind: ``real``: the real MLflow is imported beside lakeflow. ``model``: a name that
            stays MLflow's. ``absent``: any other one that lakeflow does not have.
            ``location``: a server or a database is named, which is no lake. ``version``:
            MLflow's version is compared. ``unread``: this part could not be read.
        name: The name, such as ``mlflow.sklearn.log_model``; empty where there is none.
        missing: Its shortest beginning that is not here, such as ``mlflow.sklearn``; or empty.
        text: What there is to say.
        lines: Where it is, from 1 on, in order; at least one.
    """

    kind: Kind
    name: str
    missing: str
    text: str
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Script:
    """What was found in one script.

    Attributes:
        packages: Which of ``mlflow`` and ``lakeflow`` it imports.
        findings: What does not fit, by line.
    """

    packages: frozenset[str]
    findings: tuple[Finding, ...]

    @property
    def door(self) -> Door:
        """Return the package that has all of its names."""
        kinds = {finding.kind for finding in self.findings}
        return "mlflow" if kinds & {"model", "absent"} else "lakeflow"


def read_script(tree: ast.Module) -> Script:
    """Return what a script uses of MLflow that lakeflow does not have, and where."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    imports = [each for each in imports_of(tree) if each.package in PACKAGES]
    uses = list(uses_of(tree, {each.name: each.path for each in imports}, parents))
    real = list(_real_ones(imports, parents))
    findings = [
        *(finding for _, finding in real),
        *_absences(imports, uses, parents, {each.node for each, _ in real}),
        *_locations(uses, parents),
        *_comparisons(uses, parents),
    ]
    return Script(
        frozenset(each.package for each in imports),
        tuple(sorted(findings, key=lambda finding: finding.lines)),
    )


def _real_ones(imports: Sequence[Import], parents: Parents) -> Iterator[tuple[Import, Finding]]:
    """Return each statement that imports MLflow itself where lakeflow stands for it."""
    ours = [each for each in imports if each.package == "lakeflow"]
    seen = set()
    for each in imports:
        if each.package == "lakeflow" or each.node in seen:
            continue
        relations = [_relation(each.node, other.node, parents) for other in ours]
        if "instead" in relations:
            continue
        for other, relation in zip(ours, relations, strict=True):
            is_rebound = each.name == other.name
            is_replaced = is_rebound or (other.name == "mlflow" and not other.path)
            if is_replaced and relation == "beside":
                seen.add(each.node)
                yield each, _real(each, other, is_rebound)
                break


def _real(found: Import, ours: Import, is_rebound: bool) -> Finding:
    statement, line = ast.unparse(found.node), ours.node.lineno
    if is_rebound:
        text = (
            f"`{statement}` makes `{found.name}` the real MLflow, and line {line} makes it "
            "lakeflow: the later of them holds, and what is logged goes there"
        )
    else:
        text = f"`{statement}` takes it from the real MLflow, beside lakeflow in line {line}"
    return Finding("real", _shown(found.loads), "", text, (found.node.lineno,))


def _relation(
    one: ast.AST, other: ast.AST, parents: Parents
) -> Literal["instead", "apart", "beside"]:
    """Return how two statements act together.

    ``instead``: they are branches of one ``if``, or a ``try`` and what is done where it fails.
    ``apart``: they are in two functions. ``beside``: else.
    """
    first, second = _from_the_top(one, parents), _from_the_top(other, parents)
    pairs = zip(first, second, strict=False)
    common = sum(1 for _ in takewhile(lambda pair: pair[0] is pair[1], pairs))
    above, rests = first[common - 1], (first[common:], second[common:])
    if not all(rests):
        return "beside"
    if isinstance(above, ast.If):
        are_apart = (rests[0][0] in above.body) != (rests[1][0] in above.body)
    else:
        handlers = [isinstance(rest[0], ast.ExceptHandler) for rest in rests]
        are_apart = handlers[0] != handlers[1]
    if are_apart:
        return "instead"
    inside = [any(isinstance(node, _FUNCTIONS) for node in rest) for rest in rests]
    return "apart" if all(inside) else "beside"


def _from_the_top(node: ast.AST, parents: Parents) -> list[ast.AST]:
    nodes = [node]
    while nodes[-1] in parents:
        nodes.append(parents[nodes[-1]])
    return nodes[::-1]


def _absences(
    imports: Sequence[Import],
    uses: Sequence[Use],
    parents: Parents,
    real: set[ast.Import | ast.ImportFrom],
) -> Iterator[Finding]:
    found = [
        *_absent_imports(imports, real),
        *_absent_uses(uses, parents),
        *_keywords(uses, parents),
    ]
    for (name, missing), group in groupby(sorted(found), key=lambda each: each[:2]):
        lines = tuple(dict.fromkeys(line for *_, line in group))
        if stays_with_mlflow(name):
            kind: Kind = "model"
            text = f"`{_shown(name)}` stays MLflow's"
        else:
            kind = "absent"
            text = f"`{_shown(name)}` is not in lakeflow"
        yield Finding(kind, _shown(name), _shown(missing), text, lines)


def _shown(path: str) -> str:
    """Return a path as scripts have it."""
    return path if path.startswith("MlflowClient.") else joined("mlflow", path)


def _absent_imports(
    imports: Sequence[Import], real: set[ast.Import | ast.ImportFrom]
) -> Iterator[tuple[str, str, int]]:
    for each in imports:
        # Without `import mlflow.sklearn` all is well, unless mlflow.sklearn is used as well.
        is_to_go = isinstance(each.node, ast.Import) and each.node in real
        missing = look_up(each.loads).missing
        if missing and not is_to_go:
            yield each.loads, missing, each.node.lineno


def _absent_uses(uses: Sequence[Use], parents: Parents) -> Iterator[tuple[str, str, int]]:
    for use in uses:
        missing = look_up(use.path).missing
        # A name alone was imported, and the import says it.
        if missing and not isinstance(use.node, ast.Name) and not _is_asked_for(use, parents):
            yield use.path, missing, use.node.lineno


def _is_asked_for(use: Use, parents: Parents) -> bool:
    """Return whether a name is used only where ``hasattr`` finds it."""
    conditions = [
        node.test
        for node in _from_the_top(use.node, parents)
        if isinstance(node, ast.If | ast.IfExp)
    ]
    asked = {
        call.args[1].value
        for condition in conditions
        for call in ast.walk(condition)
        if isinstance(call, ast.Call)
        and getattr(call.func, "id", "") == "hasattr"
        and len(call.args) == 2
        and isinstance(call.args[1], ast.Constant)
    }
    return not asked.isdisjoint(use.path.split("."))


def _keywords(uses: Sequence[Use], parents: Parents) -> Iterator[tuple[str, str, int]]:
    for use in uses:
        call = parents[use.node]
        if isinstance(call, ast.Call) and call.func is use.node:
            value = look_up(use.path).value
            for each in call.keywords:
                if each.arg and not takes(value, each.arg):
                    name = f"{use.path}({each.arg}=)"
                    yield name, name, use.node.lineno


def _locations(uses: Sequence[Use], parents: Parents) -> Iterator[Finding]:
    for use in uses:
        call = parents[use.node]
        if not (isinstance(call, ast.Call) and call.func is use.node):
            continue
        if use.path.rpartition(".")[2] in _TAKE_LOCATIONS:
            try:
                # Where no text says the location, a dot stands for it, which is always one.
                canonical(_location(call) or ".")
            except InvalidInputError as error:
                text = error.message.partition("\n")[0]
                yield Finding("location", "", "", text, (use.node.lineno,))


def _location(call: ast.Call) -> str:
    """Return the location that is given as a text, or how it begins; empty where it is not."""
    named = [each.value for each in call.keywords if each.arg in {"uri", "tracking_uri"}]
    for node in [*call.args[:1], *named]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        if isinstance(node, ast.JoinedStr) and node.values:
            first = node.values[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                # What follows is known once it runs, but the scheme is at the beginning.
                return f"{first.value}..."
    return ""


def _comparisons(uses: Sequence[Use], parents: Parents) -> Iterator[Finding]:
    compared = [
        use.node.lineno
        for use in uses
        if use.path.split(".")[0] == "__version__" and _is_compared(use, parents)
    ]
    if compared:
        text = (
            "`mlflow.__version__` is compared, and lakeflow's is its own: "
            f"{lakeflow.__version__}"
        )
        lines = tuple(sorted(set(compared)))
        yield Finding("version", "mlflow.__version__", "", text, lines)


def _is_compared(use: Use, parents: Parents) -> bool:
    """Return whether a version is compared, parsed or split, and not only shown or logged."""
    above = parents[use.node]
    if isinstance(above, ast.Call) and use.node in above.args:
        root, names = chain(above.func)
        called = names[-1] if names else getattr(root, "id", "")
        if called in _PARSERS:
            return True
    nodes = _from_the_top(use.node, parents)
    # A longer path is a method of the text, such as ``split``.
    return use.path != "__version__" or any(isinstance(node, ast.Compare) for node in nodes)
