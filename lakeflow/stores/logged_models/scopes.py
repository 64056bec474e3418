"""What a process remembers of the logged models that it logs points for."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.exceptions import NotFoundError
from lakeflow.kinds import LOGGED_MODEL

if TYPE_CHECKING:
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_MOST_KEPT = 10_000


class ModelScopes:
    """The experiments of logged models, which never change; threads share it.

    Args:
        reader: What looks them up.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._known: OrderedDict[str, str] = OrderedDict()

    def experiment_of(self, model_id: str) -> str:
        """Return the experiment of a model; it is looked up once in a process.

        Raises:
            NotFoundError: There is no such model.
        """
        return self._known.get(model_id) or self.thing(model_id).scope[0]

    def keep(self, model_id: str, experiment_id: str) -> None:
        """Remember the experiment of a model."""
        self._known[model_id] = experiment_id
        if len(self._known) > _MOST_KEPT:
            self._known.popitem(last=False)

    def thing(self, model_id: str) -> Thing:
        """Return what is known of a model: a look at the log.

        Raises:
            NotFoundError: There is no such model.
        """
        wanted = validation.text(model_id, "model_id")
        found = self._reader.things(LOGGED_MODEL, [wanted], look=True)
        if not found or found[0].row(LOGGED_MODEL) is None:
            raise missing(model_id)
        self.keep(wanted, found[0].scope[0])
        return found[0]


def missing(model_id: str) -> NotFoundError:
    """Return the error of a model that is not there."""
    return NotFoundError(f"Logged model with ID '{model_id}' not found.")
