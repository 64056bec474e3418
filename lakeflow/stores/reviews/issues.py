"""Issues: each change is one append."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lakeflow import records
from lakeflow.entities import Issue, PagedList, validation
from lakeflow.entities.json_text import decoded_if_json
from lakeflow.exceptions import NotFoundError
from lakeflow.ids import new_id
from lakeflow.kinds import ISSUE
from lakeflow.query.engine.comparisons import among, binding
from lakeflow.query.engine.statement import Statement
from lakeflow.schema import ASSESSMENTS, ISSUES
from lakeflow.stores import searching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakeflow.lake import Lake
    from lakeflow.stores.experiments import ExperimentStore
    from lakeflow.stores.reader import Reader
    from lakeflow.stores.things import Thing

_SEVERITIES = ("not_an_issue", "low", "medium", "high")


class IssueStore:
    """Issues of the experiments of a lake; threads share it.

    Args:
        lake: The lake.
        experiments: Its experiments.
        reader: What reads it.
    """

    def __init__(self, lake: Lake, experiments: ExperimentStore, reader: Reader) -> None:
        self._lake = lake
        self._experiments = experiments
        self._reader = reader

    def create(
        self,
        experiment_id: object,
        name: str,
        description: str,
        status: str = "pending",
        severity: str | None = None,
        root_causes: Sequence[str] | None = None,
        source_run_id: str | None = None,
        categories: Sequence[str] | None = None,
        created_by: str | None = None,
    ) -> Issue:
        """Make an issue; the arguments are the fields of ``Issue``.

        Raises:
            NotFoundError: There is no such experiment.
            InvalidInputError: It is deleted.
        """
        owner = validation.experiment_id(experiment_id)
        self._experiments.require_active(owner)
        issue_id, now = f"iss-{new_id()}", self._lake.clock.next() // 1000
        row = {
            "experiment_id": owner,
            "issue_id": issue_id,
            "name": validation.text(name, "name"),
            "description": validation.text(description, "description"),
            "status": status,
            **severity_columns(severity),
            "root_causes": listed_text(root_causes),
            "source_run_id": source_run_id,
            "categories": listed_text(categories),
            "created_timestamp": now,
            "last_updated_timestamp": now,
            "created_by": created_by,
        }
        self._lake.append(records.bodies("", records.table(ISSUES.name, [row])))
        return self.get(issue_id)

    def get(self, issue_id: str) -> Issue:
        """Return an issue.

        Raises:
            NotFoundError: There is none with this id.
        """
        wanted = validation.text(issue_id, "issue_id")
        found = self._reader.things(ISSUE, [wanted], look=True)
        if not found or found[0].row(ISSUE) is None:
            raise NotFoundError(f"Issue with ID '{issue_id}' not found")
        return _entity(found[0])

    def update(
        self,
        issue_id: str,
        status: str | None = None,
        name: str | None = None,
        description: str | None = None,
        severity: str | None = None,
    ) -> Issue:
        """Change fields of an issue; those that are None stay.

        Raises:
            NotFoundError: There is none with this id.
        """
        # For the experiment, which every row names.
        before = self.get(issue_id)
        given = {"status": status, "name": name, "description": description}
        row: dict[str, Any] = {
            "experiment_id": before.experiment_id,
            "issue_id": issue_id,
            **{
                key: validation.text(each, key)
                for key, each in given.items()
                if each is not None
            },
            **(severity_columns(severity) if severity is not None else {}),
            "last_updated_timestamp": self._lake.clock.next() // 1000,
        }
        self._lake.append(records.bodies("", records.table(ISSUES.name, [row])))
        return self.get(issue_id)

    def search(
        self,
        experiment_id: object = None,
        filter_string: str | None = None,
        max_results: object = 1_000,
        page_token: str | None = None,
    ) -> PagedList[Issue]:
        """Return one page of issues: the most severe first, of these the newest.

        Args:
            experiment_id: Those of this experiment; of all by default.
            filter_string: About ``status``, ``severity`` and ``source_run_id``.
            max_results: Size of the page.
            page_token: Token of the page before.
        """
        page = searching.page_of(
            self._lake,
            self._reader,
            ISSUE,
            filter_string,
            max_results,
            None,
            page_token,
            experiment_ids=experiment_id,
        )
        things = self._reader.things(ISSUE, page.ids, page.snapshot_id)
        return PagedList(list(map(_entity, things)), page.token)

    def trace_counts(self, issue_ids: Sequence[str]) -> dict[str, int]:
        """Return how many traces show some issues, by issue: one query."""
        if not issue_ids:
            return {}
        values: dict[str, Any] = {}
        where = among('"name"', issue_ids, binding(values))
        sql = (
            'SELECT "name", count(DISTINCT trace_id) AS traces '  # noqa: S608 - names of ours
            f"FROM {ASSESSMENTS.name} WHERE kind = 'issue' AND {where} GROUP BY \"name\""
        )
        statement = Statement(sql, values, (ASSESSMENTS.name,))
        (found,) = self._reader.tables([statement], [], None)
        return {row["name"]: row["traces"] for row in found.to_pylist()}


def severity_columns(severity: str | None) -> dict[str, Any]:
    """Return the columns that say how severe an issue is."""
    rank = _SEVERITIES.index(severity) if severity in _SEVERITIES else -1
    return {"severity": severity, "severity_rank": rank}


def listed_text(texts: Sequence[str] | None) -> str | None:
    """Return a list as a column has it; an empty one is none."""
    return json.dumps(list(texts), ensure_ascii=False) if texts else None


def _entity(thing: Thing) -> Issue:
    row = thing.row(ISSUE)
    assert row is not None
    row.pop("severity_rank")
    for name in ("root_causes", "categories"):
        found = decoded_if_json(row[name])
        row[name] = found if isinstance(found, list) else None
    return Issue(**row)
