"""MLflow's calls about webhooks, of which a lake has none: nothing runs that calls them."""

from __future__ import annotations

from typing import Any, NoReturn

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import NOT_IMPLEMENTED
from mlflow.store.entities.paged_list import PagedList


class WebhookMethods:
    """Calls about webhooks."""

    def list_webhooks(
        self, max_results: int | None = None, page_token: str | None = None, **_: Any
    ) -> PagedList[Any]:
        """Return a page without any."""
        return PagedList([], None)

    def list_webhooks_by_event(
        self,
        event: Any,
        max_results: int | None = None,
        page_token: str | None = None,
        **_: Any,
    ) -> PagedList[Any]:
        """Return a page without any; MLflow's server asks at every change of the registry."""
        return PagedList([], None)

    def create_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse it."""
        raise _has_none()

    def get_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse it."""
        raise _has_none()

    def update_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse it."""
        raise _has_none()

    def delete_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse it."""
        raise _has_none()

    def test_webhook(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse it."""
        raise _has_none()


def _has_none() -> MlflowException:
    return MlflowException(
        "webhooks are not implemented for registries in a lake; search_model_versions ordered "
        "by last_updated_timestamp shows what is new",
        NOT_IMPLEMENTED,
    )
