"""Questions, review queues and issues stay as they were said, whoever folds."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING

import pytest

import lakeflow
from lakeflow.exceptions import AlreadyExistsError, InvalidInputError, NotFoundError
from lakeflow.open_store import open_store

if TYPE_CHECKING:
    from lakeflow.stores.store import Store

TEXT = ("text", {"max_length": None})


@pytest.fixture
def store(uri: str) -> Store:
    return open_store(uri, create=True)


def test_a_name_is_free_once_its_question_has_another_or_is_deleted(
    uri: str, store: Store
) -> None:
    schemas = store.label_schemas
    first = schemas.create("0", "a", "feedback", TEXT)
    second = schemas.create("0", "b", "expectation", ("numeric", {"min_value": 0.5}))
    lakeflow.compact(uri)
    with pytest.raises(AlreadyExistsError):
        schemas.update(second.schema_id, lambda _: {"name": "a"})
    schemas.update(first.schema_id, lambda _: {"name": "c", "enable_comment": True})
    moved = schemas.update(second.schema_id, lambda _: {"name": "a"})
    for _ in range(2):
        assert schemas.find("0", "b") is None
        assert schemas.find("0", "a") == moved
        assert sorted(each.name for each in schemas.search("0", 10)) == ["a", "c"]
        assert schemas.get(first.schema_id).enable_comment is True
        assert moved.input_config == {"min_value": 0.5}
        lakeflow.compact(uri)
    schemas.delete(first.schema_id)
    schemas.delete(first.schema_id)
    lakeflow.compact(uri)
    with pytest.raises(NotFoundError):
        schemas.get(first.schema_id)
    assert schemas.create("0", "c", "feedback", TEXT).schema_id != first.schema_id


def test_a_queue_of_more_users_than_a_line_of_the_log_has(store: Store) -> None:
    users = sorted(f"{number:05}@{'x' * 500}" for number in range(8_000))
    made = store.review_queues.create("0", "Team", "custom", "me", users)
    assert store.review_queues.get(made.queue_id).users == users


def test_a_queue_stays_as_it_is_when_it_is_folded(uri: str, store: Store) -> None:
    queues, asked = store.review_queues, store.label_schemas.create("0", "q", "feedback", TEXT)
    made = queues.create("0", "Team", "custom", "me", ["b", "a"], [asked.schema_id])
    queues.items.add(made.queue_id, ["tr-2", "tr-1"])
    lakeflow.compact(uri)
    queues.items.set_status(made.queue_id, "tr-2", "complete", "a")
    queues.items.remove(made.queue_id, ["tr-1"])
    queues.items.add(made.queue_id, ["tr-3", "tr-2"])
    changed = queues.update(made.queue_id, users=["c", "a"], name="TEAM")
    for _ in range(2):
        assert queues.get(made.queue_id) == changed == queues.find("0", "team")
        assert (changed.users, changed.schema_ids) == (["a", "c"], [asked.schema_id])
        items = {each.item_id: each.status for each in queues.items.page(made.queue_id)}
        assert items == {"tr-2": "complete", "tr-3": "pending"}
        assert queues.search("0", user="c", item_id="tr-3") == [changed]
        assert queues.search("0", user="b") == queues.search("0", item_id="tr-1") == []
        lakeflow.compact(uri)
    queues.delete(made.queue_id)
    for _ in range(2):
        assert queues.search("0") == []
        with pytest.raises(NotFoundError):
            queues.items.page(made.queue_id)
        lakeflow.compact(uri)


def test_pages_of_items_hold_each_once(store: Store) -> None:
    queues = store.review_queues
    made = queues.create("0", "q", "custom").queue_id
    for number in range(7):
        queues.items.add(made, [f"tr:{number}"])
    found, token = [], None
    while True:
        page = queues.items.page(made, None, 3, token)
        found += [each.item_id for each in page]
        token = page.token
        if token is None:
            break
    assert sorted(found) == [f"tr:{number}" for number in range(7)]
    with pytest.raises(InvalidInputError):
        queues.items.page(made, None, 3, "what")


def test_who_reviews_an_item_first_is_kept(store: Store) -> None:
    queues = store.review_queues
    made = queues.create("0", "q", "custom").queue_id
    queues.items.add(made, ["tr-1"])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = [
            pool.submit(queues.items.set_status, made, "tr-1", "complete", str(user))
            for user in range(4)
        ]
    assert len({each.result().completed_by for each in done}) == 1


def test_issues_are_sorted_by_their_severity(uri: str, store: Store) -> None:
    issues = store.issues
    for severity in ("low", None, "high", "not_an_issue"):
        issues.create("0", str(severity), "text", severity=severity, categories=["c"])
    lakeflow.compact(uri)
    issues.update(issues.search("0")[1].issue_id, status="resolved", severity="medium")
    for _ in range(2):
        found = issues.search("0")
        severities = [each.severity for each in found]
        assert severities == ["high", "medium", "not_an_issue", None]
        assert [each.name for each in issues.search("0", "status = 'resolved'")] == ["low"]
        assert {tuple(each.categories or ()) for each in found} == {("c",)}
        lakeflow.compact(uri)
