"""What MLflow is asked beside calls on a client, and its answers in plain JSON."""

import importlib
import inspect
import os
import sys


def origin(argv, environment):
    """Return the tags that MLflow gives to a run of a program, from what it is started with."""
    from mlflow.tracking.context import registry

    before, sys.argv = sys.argv, argv
    os.environ.update(environment)
    try:
        for provider in registry._run_context_provider_registry:
            # The commit is found once a process.
            getattr(provider, "_cache", {}).clear()
        return {"value": registry.resolve_tags()}
    finally:
        sys.argv = before
        for name in environment:
            del os.environ[name]


def system_metrics(folder):
    """Return the names under which MLflow logs what the machine is busy with.

    Args:
        folder: Where psutil is, and what is to be taken for ``pynvml``.
    """
    sys.path.insert(0, folder)
    try:
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        os.environ["MLFLOW_SYSTEM_METRICS_NODE_ID"] = "node"
        monitor = SystemMetricsMonitor("run")
        monitor.collect_metrics()
        prefix = monitor._metrics_prefix + monitor.node_id + "/"
        return {"value": sorted(prefix + name for name in monitor.aggregate_metrics())}
    finally:
        sys.path.remove(folder)


def fields(kinds):
    """Return the names that iterating over an entity of each kind gives."""
    from mlflow import entities

    return {"value": {kind: sorted(getattr(entities, kind)._properties()) for kind in kinds}}


def constants(module):
    """Return the texts and numbers that a module of MLflow's has in capitals."""
    found = vars(importlib.import_module(module))
    return {
        "value": {
            name: value
            for name, value in found.items()
            if name.isupper() and isinstance(value, int | str)
        }
    }


def dataset(constructor, arguments):
    """Return what is logged of a dataset.

    Args:
        constructor: Name of a function of ``mlflow.data``.
        arguments: An expression of Python's with its arguments as a dict.
    """
    import mlflow.data
    import numpy
    import pandas

    given = eval(arguments, {"np": numpy, "pd": pandas})
    try:
        return {"value": getattr(mlflow.data, constructor)(**given).to_dict()}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        return {"error": getattr(error, "error_code", repr(error))}


def parameters(function):
    """Return the parameters of a function in order, those with a default with that."""
    return [
        each.name if each.default is each.empty else f"{each.name}={each.default!r}"
        for each in inspect.signature(function).parameters.values()
    ]


def signatures(names):
    """Return the parameters of functions of the top level."""
    import mlflow

    return {"value": {name: parameters(getattr(mlflow, name)) for name in names}}


ASIDES = {
    "constants": constants,
    "dataset": dataset,
    "fields": fields,
    "origin": origin,
    "signatures": signatures,
    "system_metrics": system_metrics,
}
