"""Issues, questions for reviewers and review queues: MLflow's store and ours say the same."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from mlflow.entities import (
    AssessmentSource,
    IssueReference,
    TraceInfo,
    TraceLocation,
    TraceState,
)
from mlflow.entities.issue import IssueSeverity, IssueStatus
from mlflow.genai.label_schemas import InputCategorical, InputNumeric, InputPassFail, InputText

_NUMBERS = itertools.count()


@pytest.fixture
def experiment(pair: Any) -> str:
    """An experiment of one id in both."""
    name = f"reviewed {next(_NUMBERS)}"
    return str(pair.both(lambda store: store.create_experiment(name)))


def schema(found: Any) -> tuple[Any, ...]:
    return (
        found.name, str(found.type), found.input, found.instruction, found.enable_comment,
        found.experiment_id, found.is_default, found.schema_id[:3], found.created_by,
    )  # fmt: skip


def queue(found: Any) -> tuple[Any, ...]:
    users, schemas = found.users, len(found.schema_ids)
    return (
        found.name,
        str(found.queue_type),
        found.created_by,
        users,
        schemas,
        found.queue_id[:3],
    )


def item(found: Any) -> tuple[Any, ...]:
    done = found.completed_time_ms is not None
    return found.item_id, str(found.item_type), str(found.status), found.completed_by, done


def issue(found: Any) -> dict[str, Any]:
    fields: dict[str, Any] = found.to_dictionary()
    for name in ("issue_id", "created_timestamp", "last_updated_timestamp"):
        fields.pop(name)
    return fields


def test_questions_are_made_changed_listed_and_deleted(pair: Any, experiment: str) -> None:
    inputs = [
        InputPassFail("good", "bad"),
        InputCategorical(["a", "\N{SNOWMAN}"], multi_select=True),
        InputNumeric(0.5, None),
        InputText(),
    ]

    def program(store: Any) -> Any:
        told, ids = [], []
        for number, each in enumerate(inputs):
            made = store.create_label_schema(
                experiment, name=f"q{number}", type="feedback", input=each, instruction="?"
            )
            ids.append(made.schema_id)
            told.append(schema(made))
        told.append(schema(store.get_label_schema(ids[1])))
        told.append(schema(store.get_label_schema_by_name(experiment, "q2")))
        told.append(
            schema(
                store.update_label_schema(
                    ids[1], name="new", enable_comment=True, input=InputCategorical(["b"], True)
                )
            )
        )
        told.append(schema(store.update_label_schema(ids[0], instruction="!")))
        told.append(sorted(map(schema, store.list_label_schemas(experiment)), key=str))
        store.delete_label_schema(ids[3])
        store.delete_label_schema(ids[3])
        pages, token = [], None
        while True:
            page = store.list_label_schemas(experiment, 2, token)
            pages.append(len(page))
            token = page.token
            if token is None:
                break
        return told, pages, sorted(each.name for each in store.list_label_schemas(experiment))

    told, pages, left = pair.both(program)
    assert left == ["Feedback", "new", "q0", "q2"]
    assert pages == [2, 2]
    assert len(told[-1]) == 5


@pytest.mark.parametrize(
    "call",
    [
        lambda store, at: store.get_label_schema("ls-none"),
        lambda store, at: store.get_label_schema_by_name(at, "none"),
        lambda store, at: store.list_label_schemas("123456"),
        lambda store, at: store.update_label_schema("ls-none", name="a"),
        lambda store, at: store.create_label_schema(at, name="q", type="feedback", input=InputText()),
        lambda store, at: store.create_label_schema(at, name="", type="feedback", input=InputText()),
        lambda store, at: store.create_label_schema(at, name="z", type="what", input=InputText()),
        lambda store, at: store.create_label_schema(at, name="z", type="feedback", input="text"),
        lambda store, at: store.create_label_schema(at, name="feedback", type="feedback", input=InputText()),
        lambda store, at: store.delete_label_schema(default(store, at)),
        lambda store, at: store.update_label_schema(default(store, at), name="other"),
        lambda store, at: store.update_label_schema(other(store, at), name="q"),
        lambda store, at: store.update_label_schema(other(store, at), input=InputNumeric()),
        lambda store, at: store.get_review_queue("rq-none"),
        lambda store, at: store.get_review_queue_by_name(at, name="none"),
        lambda store, at: store.list_review_queues("123456"),
        lambda store, at: store.create_review_queue(at, name="default", queue_type="custom"),
        lambda store, at: store.create_review_queue(at, name="a", queue_type="what"),
        lambda store, at: store.create_review_queue(at, name="a", queue_type="user", users=["b"]),
        lambda store, at: store.create_review_queue(at, name="a", queue_type="custom", schema_ids=["ls-none"]),
        lambda store, at: store.update_review_queue("rq-none", users=[]),
        lambda store, at: store.add_items_to_review_queue("rq-none", item_ids=["tr-1"]),
        lambda store, at: store.list_review_queue_items("rq-none"),
        lambda store, at: store.get_issue("iss-none"),
        lambda store, at: store.update_issue("iss-none", name="a"),
        lambda store, at: store.create_issue("123456", "a", "b"),
        lambda store, at: store.search_issues(at, "what = 'a'"),
        lambda store, at: store.search_issues(at, max_results=0),
    ],
)  # fmt: skip
def test_errors_have_the_same_codes(pair: Any, experiment: str, call: Any) -> None:
    for store in pair:
        store.create_label_schema(experiment, name="q", type="feedback", input=InputText())
        store.create_label_schema(experiment, name="other", type="feedback", input=InputText())
    assert isinstance(pair.both(lambda store: call(store, experiment)), str)


def default(store: Any, experiment: str) -> str:
    (found,) = (each for each in store.list_label_schemas(experiment) if each.is_default)
    return str(found.schema_id)


def other(store: Any, experiment: str) -> str:
    return str(store.get_label_schema_by_name(experiment, "other").schema_id)


def test_queues_are_made_changed_listed_and_deleted(pair: Any, experiment: str) -> None:
    def program(store: Any) -> Any:
        asked = [
            store.create_label_schema(experiment, name=n, type="expectation", input=InputText())
            for n in ("a", "b")
        ]
        ids = [each.schema_id for each in asked]
        made = store.create_review_queue(
            experiment, name="Team", queue_type="custom", created_by="Ann", users=["x", "Y"],
            schema_ids=ids[:1],
        )  # fmt: skip
        mine = store.get_or_create_user_queue(experiment, user="x")
        told = [
            queue(made),
            queue(mine),
            queue(store.get_or_create_user_queue(experiment, user="X")),
        ]
        assert store.get_or_create_user_queue(experiment, user="x").queue_id == mine.queue_id
        told.append(queue(store.get_review_queue_by_name(experiment, name="tEAM")))
        told.append(
            queue(
                store.update_review_queue(
                    made.queue_id, users=["z"], schema_ids=ids, name="team 2", new_owner="Bob"
                )
            )
        )
        told.append(queue(store.update_review_queue(made.queue_id, name="Team 2")))
        store.add_items_to_review_queue(made.queue_id, item_ids=["tr-1"])
        filters: list[dict[str, str]] = [{}, {"user": "z"}, {"user": "x"}, {"item_id": "tr-1"}]
        filters.append({"item_id": "none", "user": "x"})
        told += [
            sorted(map(queue, store.list_review_queues(experiment, **each))) for each in filters
        ]
        store.delete_review_queue(made.queue_id)
        store.delete_review_queue(made.queue_id)
        told.append(sorted(map(queue, store.list_review_queues(experiment))))
        return told

    pair.both(program)


def test_items_are_reviewed_and_opened_again(pair: Any, experiment: str) -> None:
    def program(store: Any) -> Any:
        made = store.create_review_queue(experiment, name="q", queue_type="custom").queue_id
        told = [
            list(map(item, store.add_items_to_review_queue(made, item_ids=["tr-b", "tr-a"])))
        ]
        told.append(
            list(map(item, store.add_items_to_review_queue(made, item_ids=["tr-a", "tr-c"])))
        )
        for status, by in (
            ("complete", "ann"),
            ("complete", "bob"),
            ("declined", "bob"),
            ("pending", None),
        ):
            found = store.set_review_queue_item_status(
                made, item_id="tr-a", status=status, completed_by=by
            )
            told.append(item(found))
        store.set_review_queue_item_status(
            made, item_id="tr-b", status="complete", completed_by="C"
        )
        told.append(sorted(map(item, store.list_review_queue_items(made, status="pending"))))
        pages, token = [], None
        while True:
            page = store.list_review_queue_items(made, max_results=2, page_token=token)
            pages.append(len(page))
            token = page.token
            if token is None:
                break
        store.remove_items_from_review_queue(made, item_ids=["tr-a", "tr-never"])
        told.append(sorted(map(item, store.list_review_queue_items(made))))
        return told, pages

    assert pair.both(program)[1] == [2, 1]


@pytest.mark.parametrize(
    "given",
    [
        {"item_id": "tr-none", "status": "complete", "completed_by": "a"},
        {"item_id": "tr-1", "status": "complete"},
        {"item_id": "tr-1", "status": "pending", "completed_by": "a"},
        {"item_id": "tr-1", "status": "what", "completed_by": "a"},
    ],
)
def test_a_status_that_is_none_is_refused(
    pair: Any, experiment: str, given: dict[str, Any]
) -> None:
    def program(store: Any) -> Any:
        made = store.create_review_queue(experiment, name="q", queue_type="custom").queue_id
        store.add_items_to_review_queue(made, item_ids=["tr-1"])
        return store.set_review_queue_item_status(made, **given)

    assert isinstance(pair.both(program), str)


def test_questions_of_a_queue_with_items_and_queues_of_users_do_not_change(
    pair: Any, experiment: str
) -> None:
    def locked(store: Any) -> Any:
        made = store.create_review_queue(experiment, name="q", queue_type="custom").queue_id
        store.add_items_to_review_queue(made, item_ids=["tr-1"])
        return store.update_review_queue(made, schema_ids=[])

    def of_user(store: Any) -> Any:
        made = store.get_or_create_user_queue(experiment, user="x").queue_id
        return store.update_review_queue(made, users=["y"])

    def taken(store: Any) -> Any:
        return store.create_review_queue(experiment, name="Q", queue_type="custom")

    found = [pair.both(call) for call in (locked, of_user, taken)]
    assert found == ["INVALID_PARAMETER_VALUE"] * 2 + ["RESOURCE_ALREADY_EXISTS"]


def test_issues_are_made_changed_and_searched(pair: Any, experiment: str) -> None:
    def program(store: Any) -> Any:
        told = []
        for number, severity in enumerate([None, *IssueSeverity, IssueSeverity.LOW]):
            made = store.create_issue(
                experiment, f"i{number}", "text", severity=severity, root_causes=["a", "b"],
                categories=[], created_by="me",
            )  # fmt: skip
            told.append(issue(made))
        status, severity = IssueStatus.RESOLVED, IssueSeverity.HIGH
        told.append(issue(store.update_issue(made.issue_id, status, severity=severity)))
        told.append(issue(store.update_issue(made.issue_id, name="new", description="other")))
        told.append(issue(store.get_issue(made.issue_id)))
        for text in (None, "status = 'resolved'", "status != 'resolved'"):
            page = store.search_issues(experiment, text)
            told.append([(str(each.severity), each.name) for each in page])
        for number in range(2):
            name = f"tr-{experiment}{number:030x}"
            place = TraceLocation.from_experiment_id(experiment)
            store.start_trace(TraceInfo(name, place, 1_700_000_000_000, TraceState.OK))
            for _ in range(2):
                shows = IssueReference(made.issue_id, "new", source=AssessmentSource("CODE"))
                shows.trace_id = name
                store.create_assessment(shows)
        page = store.search_issues(experiment, max_results=4)
        rest = store.search_issues(experiment, max_results=4, page_token=page.token)
        counted = store.search_issues(experiment, include_trace_count=True)
        return (
            told,
            len(page),
            len(rest),
            rest.token,
            [(each.name, each.trace_count) for each in counted if each.trace_count],
        )

    assert pair.both(program)[1:] == (4, 2, None, [("new", 2)])
