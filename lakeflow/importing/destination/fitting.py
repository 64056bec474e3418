"""Records of an import that a lake would not read are reported, instead of being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow import records
from lakeflow.importing.items import Problem
from lakeflow.stores.lines import declarations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lakeflow.lake import Lake


class Fitting:
    """Tells records that a lake reads from others: a source may hold values of any type.

    Args:
        lake: The lake.
        report: Told of what is left out.
    """

    def __init__(self, lake: Lake, report: Callable[[Problem], None]) -> None:
        self._declared = declarations(lake.kinds)
        self._report = report

    def those_of(
        self, bodies: Iterable[str], where: str, *, in_event: bool = False
    ) -> list[str]:
        """Return the records that a lake reads.

        Args:
            bodies: The records.
            where: What they are about.
            in_event: Whether they are for the control log.
        """
        kept = []
        for body in bodies:
            try:
                line = records.line(body, 0, 0).encode()
            # JSON may escape half of a pair of surrogates. No lake reads an empty line.
            except UnicodeEncodeError:
                line = b""
            if self._declared.fitting(line, in_event=in_event) is None:
                self._report(Problem(where, f"no lake can hold this: {body[:200]}"))
            else:
                kept.append(body)
        return kept
