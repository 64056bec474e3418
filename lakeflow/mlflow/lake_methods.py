"""What every noun of a store has: the lake, and how its locations are shown."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING

from lakeflow.exceptions import InvalidInputError
from lakeflow.filesystem.location import canonical
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.locations import lake_uri
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from lakeflow.stores.store import Store

_PROXY = "mlflow-artifacts:"


@raises_mlflow
class LakeMethods:
    """What the methods of a store share.

    Args:
        store_uri: Location of the lake, which is made if there is none.
        artifact_uri: Where MLflow says that new experiments keep artifacts; None for nowhere.

    Attributes:
        uri: The location, made canonical.
        lake: The stores of the lake.
        artifact_root_uri: What MLflow says, by the name that its server asks for.
    """

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        self.uri = canonical(store_uri)
        self.lake: Store = open_store(self.uri, create=True)
        self.artifact_root_uri = artifact_uri

    @property
    def chosen_root(self) -> str | None:
        """Where new experiments keep artifacts, if a user chose that; None for in the lake."""
        root = self.artifact_root_uri
        # This one stands in every server for which nobody has chosen any.
        return None if root is None or root.rstrip("/") == _PROXY else root

    def shown(self, location: str) -> str:
        """Return a location as MLflow is to see it.

        One in the lake is shown such that MLflow calls our artifact repository for it. In a
        server that hands out the artifacts of this lake, it is shown such that clients ask the
        server. One elsewhere is shown as it is.

        Args:
            location: An absolute one, as the stores of the lake return it.
        """
        if not location.startswith(f"{self.uri}/"):
            return location
        artifacts = f"{self.uri}/artifacts/"
        # Never stored so: other processes hand out nothing, and reach the lake themselves.
        if location.startswith(artifacts) and self._is_handed_out():
            return f"{_PROXY}/{location.removeprefix(artifacts)}"
        return lake_uri(location)

    def _is_handed_out(self) -> bool:
        """Return whether this is MLflow's server, and hands out this lake's artifacts."""
        if self.chosen_root is not None or self.artifact_root_uri is None:
            return False
        # So MLflow's command tells its workers; there is no other way to ask.
        if os.environ.get("_MLFLOW_SERVER_SERVE_ARTIFACTS") != "true":
            return False
        destination = os.environ.get("_MLFLOW_SERVER_ARTIFACT_DESTINATION", "")
        return _place(destination) == f"{self.uri}/artifacts"


# Asked for each location that is shown, and always of the same variable.
@functools.lru_cache(maxsize=8)
def _place(destination: str) -> str | None:
    try:
        return canonical(destination)
    except InvalidInputError:
        return None
