"""What asynchronous calls return."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lakeflow.exceptions import LakeflowException

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future


class RunOperations:
    """What asynchronous calls return: a promise that they will have been done.

    Args:
        operation_futures: One future a call.
        hurry: Asks for what is gathered to be written now.
        about: Returns what the calls log, for the text of an error.
        on_told: Called with the futures when somebody learns here that calls failed.
    """

    def __init__(
        self,
        operation_futures: Sequence[Future[Any]],
        hurry: Callable[[], None] = lambda: None,
        about: Callable[[], str] = lambda: "logging",
        on_told: Callable[[Sequence[Future[Any]]], None] = lambda _: None,
    ) -> None:
        self._operation_futures = list(operation_futures)
        self._hurry = hurry
        self._about = about
        self._on_told = on_told

    def wait(self) -> None:
        """Return once every call is done; what is gathered is written at once.

        Raises:
            LakeflowException: Calls failed; the message says which run and keys they were
                about, and why. The code is that of the first one.
        """
        self._hurry()
        errors = [
            error
            for future in self._operation_futures
            if (error := future.exception()) is not None
        ]
        if errors:
            self._on_told(self._operation_futures)
            reasons = "; ".join(str(error) for error in errors)
            raise LakeflowException(
                f"{len(errors)} asynchronous call(s) failed: {self._about()}: {reasons}",
                getattr(errors[0], "error_code", None),
            ) from errors[0]
