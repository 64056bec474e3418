"""The public names of the MLflow that imports this: by module, with the parameters of functions."""

import importlib
import inspect

# Where scripts take names from; mlflow.models and the flavours stay MLflow's as a whole.
MODULES = [
    "artifacts",
    "client",
    "config",
    "data",
    "entities",
    "entities.model_registry",
    "exceptions",
    "system_metrics",
    "tracking",
    "utils.mlflow_tags",
    "utils.validation",
]
OTHER_MODULES = {"models", "projects", "tracing", "types"}


def public_names():
    """Return names by where they are, with what functions take; None for what is no function."""
    import mlflow

    lazy = {
        name for name, value in vars(mlflow).items() if type(value).__name__ == "LazyLoader"
    }
    return {
        "mlflow": _described(mlflow, set(mlflow.__all__) - lazy),
        "mlflow.MlflowClient": _described(mlflow.MlflowClient, dir(mlflow.MlflowClient)),
        **{f"mlflow.{name}": _names_of(f"mlflow.{name}") for name in MODULES},
        "modules": dict.fromkeys(sorted(lazy | OTHER_MODULES)),
    }


def _names_of(name):
    module = importlib.import_module(name)
    if name.startswith("mlflow.utils."):
        listed = [n for n, v in vars(module).items() if n.isupper() and type(v) in {int, str}]
    elif name == "mlflow.exceptions":
        listed = [*_made_in(module), "ErrorCode"]
    else:
        listed = getattr(module, "__all__", None) or _made_in(module)
    return _described(module, listed)


def _made_in(module):
    name = module.__name__
    return [n for n, v in vars(module).items() if getattr(v, "__module__", None) == name]


def _described(owner, names):
    return {name: _parameters(getattr(owner, name)) for name in sorted(names) if name[0] != "_"}


def _parameters(value):
    if not inspect.isfunction(value):
        return None
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(value).parameters.values()
    return [each.name for each in parameters if each.kind not in kinds and each.name != "self"]
