"""MLflow's calls about issues, label schemas and review queues, which a lake has none of.

Pages of MLflow's user interface list them: they are told that there are none. What makes one
raises MLflow's own error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from mlflow.entities import Issue
    from mlflow.genai.label_schemas import LabelSchema
    from mlflow.genai.review_queues import ReviewQueue


@raises_mlflow
class ReviewMethods(LakeMethods):
    """Calls about reviews."""

    def search_issues(self, *_: Any, **__: Any) -> PagedList[Issue]:
        """Return an empty page."""
        return PagedList([], None)

    def list_label_schemas(self, *_: Any, **__: Any) -> PagedList[LabelSchema]:
        """Return an empty page."""
        return PagedList([], None)

    def list_review_queues(self, *_: Any, **__: Any) -> PagedList[ReviewQueue]:
        """Return an empty page."""
        return PagedList([], None)
