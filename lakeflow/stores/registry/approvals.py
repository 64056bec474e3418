"""Approvals: somebody has decided on a version, and says why. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.entities import validation
from lakeflow.exceptions import InvalidInputError
from lakeflow.stores.registry.known import require_version
from lakeflow.stores.registry.state import APPROVED
from lakeflow.stores.registry.version_changes import set_version

if TYPE_CHECKING:
    from collections.abc import Callable

    from lakeflow.stores.registry.changes import Changes

DECISIONS = (APPROVED, "rejected")


def approval(
    name: str, version: object, decision: str, note: str | None, evidence: str | None
) -> Callable[[Changes], None]:
    """Return the change that decides on a version; see ``lakeflow.registry``.

    Raises:
        InvalidInputError: There is no such decision, or note and evidence are no texts.
    """
    if decision not in DECISIONS:
        raise InvalidInputError(
            f"decision is {decision!r}; there are {' and '.join(map(repr, DECISIONS))}"
        )
    reasons = {"note": note, "evidence": evidence}
    told = {
        each: None if text is None else validation.text(text, each)
        for each, text in reasons.items()
    }

    def decide(changes: Changes) -> None:
        model, found = require_version(changes.known, name, version)
        # Also where nothing changes: that one more has looked at it is worth to be told.
        fields = {"approval": decision}
        set_version(changes, model, found, "approve_model_version", fields, told)

    return decide
