"""Every method of MLflow's abstract stores is ours, MLflow's own and fine, or left out.

A method that a newer MLflow adds is none of these, and a failure here. The page of what is left
out is written anew with ``LAKEFLOW_TEST_WRITE_STORES=1`` in an environment with the newest
MLflow.
"""

from __future__ import annotations

import ast
import inspect
import os
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from lakeflow.mlflow.left_out import LEFT_OUT
from lakeflow.mlflow.registry_store import RegistryStore
from lakeflow.mlflow.tracking_store import TrackingStore

ROOT = Path(mlflow.__file__).parent / "store"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "mlflow-stores.md"
IS_2 = mlflow.__version__.startswith("2.")

STORES: dict[type, tuple[str, ...]] = {
    TrackingStore: (
        "tracking/abstract_store.py",
        "tracking/gateway/abstract_mixin.py",
        "tracking/mcp_server_registry/abstract_mixin.py",
    ),
    RegistryStore: ("model_registry/abstract_store.py",),
}

FINE = {
    "calls other methods": """
        delete_traces log_spans_async log_metric_async log_param_async set_tag_async search_runs
        log_batch_async end_async_logging flush_async_logging shut_down_async_logging
        set_model_versions_tags _evenly_spaced_indices _await_model_version_creation_impl
        create_prompt search_prompts delete_prompt set_prompt_tag delete_prompt_tag get_prompt
        create_prompt_version get_prompt_version delete_prompt_version
        get_prompt_version_by_alias set_prompt_alias delete_prompt_alias search_prompt_versions
        link_prompts_to_trace set_prompt_version_tag delete_prompt_version_tag
        link_prompt_version_to_model link_prompt_version_to_run _parse_experiment_id_filter
    """,
    "says that a lake has no workspaces, and no archive of traces": """
        supports_workspaces supports_trace_archival resolve_trace_archival_config
    """,
    "leaves out what cannot be pickled": "__getstate__ __setstate__",
}
"""Bodies of MLflow's that do what is wanted, by why."""

TOP = """\
# MLflow's stores

What the real `mlflow` asks a store for is answered by the lake, with `mlflow.set_tracking_uri("lakeflow:///path")`
and under its server. This page is written from the newest MLflow that lakeflow is tested with, and a test holds it
to that: whatever a newer one adds is either here or there.

## What is left out

MLflow ties these to a database. Each raises MLflow's `NOT_IMPLEMENTED`, which its server answers with HTTP 501. Jobs, workspaces
and users of `mlflow server --app-name basic-auth` are in databases of MLflow's own, which no store is asked for.

| what | methods |
| --- | --- |
"""


def methods(store: type) -> dict[str, ast.FunctionDef]:
    """Return the methods of MLflow's abstract classes behind a store, as they are written."""
    found: dict[str, ast.FunctionDef] = {}
    for path in (ROOT / each for each in STORES[store]):
        tree = ast.parse(path.read_text()) if path.exists() else ast.Module([], [])
        for node in tree.body:
            named = node.body if isinstance(node, ast.ClassDef) else ()
            found |= {
                each.name: each  # type: ignore[misc]
                for each in named
                if isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef))
            }
    return found


def is_ours(store: type, name: str) -> bool:
    return str(getattr(getattr(store, name), "__module__", "")).startswith("lakeflow.")


def left_out() -> set[str]:
    return {name for names in LEFT_OUT.values() for name in names.split()}


def fine() -> set[str]:
    return {name for names in FINE.values() for name in names.split()}


@pytest.mark.parametrize("store", STORES)
def test_every_method_is_ours_or_fine_or_left_out(store: type) -> None:
    not_ours = {name for name in methods(store) if not is_ours(store, name)}
    assert not_ours - fine() - {"__init__"} == set()


def test_what_is_left_out_or_fine_is_not_ours() -> None:
    known = {name: store for store in STORES for name in methods(store)}
    ours = {name for name, store in known.items() if is_ours(store, name)}
    assert ours & fine() == set()
    # In MLflow 2 there is none of them.
    assert (left_out() - known.keys() == set()) is not IS_2
    for name in left_out() & known.keys():
        assert getattr(TrackingStore, name).__module__ == "lakeflow.mlflow.left_out"


@pytest.mark.parametrize("store", STORES)
def test_methods_take_what_mlflow_passes_by_its_names(store: type) -> None:
    lacking = {}
    for name, method in methods(store).items():
        if not is_ours(store, name) or name.startswith("__") or name in left_out():
            continue
        parameters = inspect.signature(getattr(store, name)).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            continue
        wanted = [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs]
        absent = {each.arg for each in wanted} - parameters.keys()
        if absent:
            lacking[name] = absent
    assert lacking == {}


def test_what_is_left_out_says_so(tmp_path: Path) -> None:
    uri = f"lakeflow://{tmp_path}/lake"
    store: Any = MlflowClient(uri, uri)._tracking_client.store
    for name in left_out() & methods(TrackingStore).keys():
        with pytest.raises(MlflowException, match=f"{name}: a lake does not hold") as raised:
            getattr(store, name)("1", anything=2)
        assert raised.value.get_http_status_code() == 501


def test_the_page_says_what_is_left_out() -> None:
    rows = "".join(
        f"| {what} | {', '.join(f'`{name}`' for name in sorted(names.split()))} |\n"
        for what, names in LEFT_OUT.items()
    )
    page = TOP + rows
    if "LAKEFLOW_TEST_WRITE_STORES" in os.environ:
        PAGE.write_text(page)
    assert PAGE.read_text() == page
