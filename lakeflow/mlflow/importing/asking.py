"""How MLflow's client is asked: page after page, with errors that are ours."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mlflow import MlflowClient

from lakeflow.exceptions import StorageError
from lakeflow.mlflow.exporting.target import pages
from lakeflow.mlflow.plain_errors import plain
from lakeflow.printable import without_password

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from lakeflow.importing.items import Problem

T = TypeVar("T")

_HAS_NONE = frozenset(
    {"ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "INVALID_PARAMETER_VALUE", "NOT_IMPLEMENTED"}
)
"""Codes of what older servers, and stores of files, say when they are asked: they have none."""


class Asking:
    """What the parts of a reader share.

    Args:
        uri: The tracking URI.

    Attributes:
        name: What it is, for people.
        client: MLflow's client of it.
        report: Told of problems.
        experiment_keys: Ids of the experiments that were read and are not deleted.
        deleted_keys: Ids of those that are.
    """

    def __init__(self, uri: str) -> None:
        self.name = f"MLflow at {without_password(uri)}"
        with self._plain():
            self.client = MlflowClient(uri, uri)
        self.report: Callable[[Problem], None] = lambda _: None
        self.experiment_keys: list[str] = []
        self.deleted_keys: list[str] = []

    @property
    def store(self) -> Any:
        """The store behind the client, which answers what that has no method for."""
        return self.client._tracking_client.store

    def report_to(self, report: Callable[[Problem], None]) -> None:
        """Say where problems go."""
        self.report = report

    def pages(self, ask: Callable[[str | None], Any]) -> Iterator[Any]:
        """Yield what is on all pages; ``ask`` returns the one behind a token.

        Raises:
            StorageError: MLflow cannot be asked, or refuses.
        """
        for page in pages(lambda token: self.asked(partial(ask, token))):
            yield from page

    def asked(self, ask: Callable[[], T]) -> T:
        """Return an answer of MLflow's.

        Raises:
            StorageError: It cannot be asked, or refuses.
        """
        with self._plain():
            return ask()

    def if_any(self, found: Iterator[T]) -> Iterator[T]:
        """Yield what there is: nothing where the store does not know the question."""
        try:
            yield from found
        except NotImplementedError:
            return
        except StorageError as error:
            if error.error_code not in _HAS_NONE:
                raise

    def _plain(self) -> AbstractContextManager[None]:
        return plain(f"{self.name} cannot be read")
