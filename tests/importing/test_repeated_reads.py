"""Problems that a look finds again are told once, as long as they can be kept in mind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakeflow.importing.sources import repeated_reads

if TYPE_CHECKING:
    import pytest

    from lakeflow.importing.items import Problem


def test_problems_are_told_once_and_not_all_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repeated_reads, "_MOST_KNOWN", 2)
    complaints = repeated_reads.Complaints()
    told: list[Problem] = []
    complaints.report_to(told.append)
    for _ in range(2):
        for where in "abc":
            complaints.add(where, "it is broken")
    assert [each.where for each in told] == ["a", "b", "c", "c"]
