"""How far the registration of a model version has come."""

from __future__ import annotations

from typing import ClassVar

from lakeflow.exceptions import InvalidInputError


class ModelVersionStatus:
    """The states of a registration; in a lake it is over at once, so all are ``READY``."""

    PENDING_REGISTRATION = 1
    FAILED_REGISTRATION = 2
    READY = 3

    _NAMES: ClassVar[dict[str, int]] = {
        "PENDING_REGISTRATION": PENDING_REGISTRATION,
        "FAILED_REGISTRATION": FAILED_REGISTRATION,
        "READY": READY,
    }

    @staticmethod
    def from_string(status_str: str) -> int:
        """Return the number of a status name.

        Raises:
            InvalidInputError: There is no such status.
        """
        found = ModelVersionStatus._NAMES.get(status_str)
        if found is None:
            raise InvalidInputError(
                f"no model version status {status_str!r}; there are "
                f"{', '.join(ModelVersionStatus._NAMES)}"
            )
        return found

    @staticmethod
    def to_string(status: int) -> str:
        """Return the name of a status number.

        Raises:
            InvalidInputError: There is no such status.
        """
        for name, number in ModelVersionStatus._NAMES.items():
            if number == status:
                return name
        raise InvalidInputError(f"no model version status has the number {status!r}")
