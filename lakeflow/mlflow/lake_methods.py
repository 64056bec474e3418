"""What every noun of a store has: the lake, and how its locations are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.filesystem.location import canonical
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from lakeflow.stores.store import Store


@raises_mlflow
class LakeMethods:
    """What the methods of a store share.

    Args:
        store_uri: Location of the lake, which is made if there is none.

    Attributes:
        uri: The location, made canonical.
        lake: The stores of the lake.
    """

    def __init__(self, store_uri: str) -> None:
        self.uri = canonical(store_uri)
        self.lake: Store = open_store(self.uri, create=True)
