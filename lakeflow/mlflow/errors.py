"""Our errors as MLflow's: the code stays, so that its server answers with the right status."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable


_Store = TypeVar("_Store")


def raises_mlflow(store: type[_Store]) -> type[_Store]:
    """Let the methods that a class itself defines raise ``MlflowException`` for our errors."""
    # Not what it inherits: bodies of MLflow's own raise its errors already.
    for name, each in list(vars(store).items()):
        if inspect.isfunction(each):
            setattr(store, name, _translated(each))
    return store


def _translated(method: Callable[..., Any]) -> Callable[..., Any]:
    # Calling it only makes a coroutine: its errors come when that is awaited.
    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            try:
                return await method(*args, **kwargs)
            except LakeflowException as error:
                raise_mlflow(error)

        return awaited

    @functools.wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except LakeflowException as error:
            raise_mlflow(error)

    return call


def raise_mlflow(error: LakeflowException) -> NoReturn:
    """Raise one of our errors as MLflow's."""
    code = ErrorCode.Value(error.error_code)
    raise MlflowException(error.message, code, **error.json_kwargs) from error
