"""MLflow's calls about issues and questions for reviewers, by the stores of the lake."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Any

from mlflow.store.entities.paged_list import PagedList

from lakeflow.exceptions import AlreadyExistsError, NotFoundError
from lakeflow.mlflow.errors import raises_mlflow
from lakeflow.mlflow.lake_methods import LakeMethods

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlflow.entities import Issue
    from mlflow.genai.label_schemas import LabelSchema

    from lakeflow.entities import Issue as LakeIssue
    from lakeflow.entities import LabelSchema as LakeSchema

_INPUTS = {
    "pass_fail": "InputPassFail",
    "categorical": "InputCategorical",
    "numeric": "InputNumeric",
    "text": "InputText",
}


@raises_mlflow
class ReviewMethods(LakeMethods):
    """Calls about issues and about questions for reviewers."""

    # Issues

    def create_issue(
        self,
        experiment_id: str,
        name: str,
        description: str,
        status: Any = "pending",
        severity: Any = None,
        root_causes: list[str] | None = None,
        source_run_id: str | None = None,
        categories: list[str] | None = None,
        created_by: str | None = None,
        **_: Any,
    ) -> Issue:
        """Make an issue."""
        made = self.lake.issues.create(
            experiment_id,
            name,
            description,
            _word(status) or "pending",
            _word(severity),
            root_causes,
            source_run_id,
            categories,
            created_by,
        )
        return _issue_of(made)

    def get_issue(self, issue_id: str) -> Issue:
        """Return an issue."""
        return _issue_of(self.lake.issues.get(issue_id))

    def update_issue(
        self,
        issue_id: str,
        status: Any = None,
        name: str | None = None,
        description: str | None = None,
        severity: Any = None,
        **_: Any,
    ) -> Issue:
        """Change fields of an issue."""
        changed = self.lake.issues.update(
            issue_id, _word(status), name, description, _word(severity)
        )
        return _issue_of(changed)

    def search_issues(
        self,
        experiment_id: str | None = None,
        filter_string: str | None = None,
        max_results: int | None = None,
        page_token: str | None = None,
        include_trace_count: bool = False,
        **_: Any,
    ) -> PagedList[Issue]:
        """Return one page of issues, with how many traces show each if that is asked for."""
        from mlflow.store.tracking import SEARCH_ISSUES_DEFAULT_MAX_RESULTS

        most = SEARCH_ISSUES_DEFAULT_MAX_RESULTS if max_results is None else max_results
        page = self.lake.issues.search(experiment_id, filter_string, most, page_token)
        found = list(map(_issue_of, page))
        if include_trace_count:
            counts = self.lake.issues.trace_counts([each.issue_id for each in found])
            for each in found:
                each.trace_count = counts.get(each.issue_id, 0)
        return PagedList(found, page.token)

    # Questions

    def create_label_schema(
        self,
        experiment_id: str,
        *,
        name: str,
        type: str,
        input: Any,
        instruction: str | None = None,
        enable_comment: bool = False,
        **_: Any,
    ) -> LabelSchema:
        """Make a question."""
        from mlflow.genai.label_schemas.validation import validate_schema_for_create

        validate_schema_for_create(
            name=name,
            type=type,
            input=input,
            instruction=instruction,
            enable_comment=enable_comment,
        )
        made = self.lake.label_schemas.create(
            experiment_id, name, str(type), answers_of(input), instruction, enable_comment
        )
        return _schema_of(made)

    def get_label_schema(self, schema_id: str) -> LabelSchema:
        """Return a question."""
        return _schema_of(self.lake.label_schemas.get(schema_id))

    def get_label_schema_by_name(self, experiment_id: str, name: str) -> LabelSchema:
        """Return the question of this name."""
        found = self.lake.label_schemas.find(experiment_id, name)
        if found is None:
            raise NotFoundError(
                f"Label schema with name '{name}' not found for experiment '{experiment_id}'."
            )
        return _schema_of(found)

    def list_label_schemas(
        self, experiment_id: str, max_results: int = 100, page_token: str | None = None
    ) -> PagedList[LabelSchema]:
        """Return one page of questions; as in MLflow, each experiment has one at least."""
        from mlflow.genai.label_schemas.validation import (
            DEFAULT_LABEL_SCHEMA_INSTRUCTION,
            DEFAULT_LABEL_SCHEMA_NAME,
        )

        schemas = self.lake.label_schemas
        if schemas.find(experiment_id, DEFAULT_LABEL_SCHEMA_NAME) is None:
            # Another process may make it at the same time.
            with contextlib.suppress(AlreadyExistsError):
                schemas.create(
                    experiment_id,
                    DEFAULT_LABEL_SCHEMA_NAME,
                    "feedback",
                    ("text", {"max_length": None}),
                    DEFAULT_LABEL_SCHEMA_INSTRUCTION,
                    is_default=True,
                )
        page = schemas.search(experiment_id, max_results, page_token)
        return PagedList(list(map(_schema_of, page)), page.token)

    def update_label_schema(
        self,
        schema_id: str,
        *,
        name: str | None = None,
        instruction: str | None = None,
        enable_comment: bool | None = None,
        input: Any = None,
        **_: Any,
    ) -> LabelSchema:
        """Change a question."""
        from mlflow.genai.label_schemas.validation import validate_schema_for_update

        # Called with what is there when the change is made, and again if another one was first.
        def check(before: LakeSchema) -> Mapping[str, Any]:
            validate_schema_for_update(
                existing=_schema_of(before),
                name=name,
                instruction=instruction,
                enable_comment=enable_comment,
                input=input,
            )
            given = {
                "name": name,
                "instruction": instruction,
                "enable_comment": enable_comment,
                "answers": None if input is None else answers_of(input),
            }
            return {key: each for key, each in given.items() if each is not None}

        return _schema_of(self.lake.label_schemas.update(schema_id, check))

    def delete_label_schema(self, schema_id: str) -> None:
        """Delete a question, if it is there."""
        self.lake.label_schemas.delete(schema_id)


def _word(value: Any) -> str | None:
    return None if value is None else str(getattr(value, "value", value))


def _issue_of(found: LakeIssue) -> Issue:
    from mlflow.entities import Issue
    from mlflow.entities.issue import IssueSeverity, IssueStatus

    fields = dict(found) | {"status": IssueStatus(found.status)}
    if found.severity is not None:
        fields["severity"] = IssueSeverity(found.severity)
    return Issue(**fields)


def answers_of(given: Any) -> tuple[str, dict[str, Any]]:
    """Return type and configuration of what a question of MLflow's takes as an answer."""
    kinds = {name: kind for kind, name in _INPUTS.items()}
    return kinds[type(given).__name__], dataclasses.asdict(given)


def _schema_of(found: LakeSchema) -> LabelSchema:
    from mlflow.genai.label_schemas import label_schemas

    kind = getattr(label_schemas, _INPUTS[found.input_type])
    return label_schemas.LabelSchema(
        name=found.name,
        type=label_schemas.LabelSchemaType(found.type),
        input=kind(**found.input_config),
        instruction=found.instruction,
        enable_comment=found.enable_comment,
        schema_id=found.schema_id,
        experiment_id=found.experiment_id,
        created_at=found.created_time,
        updated_at=found.last_update_time,
        is_default=found.is_default,
    )
