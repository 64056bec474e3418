"""Logged models and their points count once, whenever an import was stopped, and again."""

import dataclasses
import math

import pytest

import lakeflow
from lakeflow import LakeflowClient
from lakeflow.importing.destination.logged_models import LoggedModelCopies
from lakeflow.importing.model_items import LoggedModelItem, ModelPoint
from lakeflow.kinds import EXPERIMENT
from lakeflow.open_store import open_store

BEGIN = 1_600_000_000_000
RUN = "a" * 32
ITEM = LoggedModelItem(
    "m-" + "0" * 32, "7", "net", BEGIN, BEGIN + 5, "/elsewhere", "PENDING", "soon", "agent", RUN,
    params={"lr": "0.1"}, tags={"t": "1"},
)  # fmt: skip
POINTS = [
    *(ModelPoint("acc", step / 4, BEGIN + step, step, RUN) for step in range(5)),
    ModelPoint("acc", 1.0, BEGIN, 0, RUN, "mnist", "d1"),
    ModelPoint("odd", math.nan, BEGIN, 0, RUN),
    ModelPoint("odd", math.nan, BEGIN, 0, RUN),
    ModelPoint("odd", -math.inf, BEGIN, 1, RUN),
]


class Import:
    def __init__(self, folder):
        self.uri = str(folder / "lake")
        self.client = LakeflowClient(self.uri)
        self.experiment = self.client.create_experiment("e")
        self.problems = []

    def __call__(self, item=ITEM, points=POINTS, experiment=None):
        store = open_store(self.uri, create=True)
        store.runs.reader.things(EXPERIMENT, [], look=True)
        written = []

        def append(bodies):
            written.extend(bodies)
            store.lake.append(bodies)

        copies = LoggedModelCopies(store, append, self.problems.append)
        here = experiment or self.experiment
        for each, at, _ in copies.write(
            here, [item], {item.model_id: f"models/{item.model_id}"}
        ):
            if copies.lacks_points(each):
                copies.write_points(at, each, [points[:4], points[4:]])
        return len(written)

    def model(self):
        return self.client.get_logged_model(ITEM.model_id)

    def points(self):
        found = self.model().metrics or []
        names = ModelPoint._fields
        plain = [tuple(getattr(each, name) or "" for name in names[4:]) for each in found]
        values = [(each.key, repr(each.value), each.timestamp, each.step) for each in found]
        return sorted(zip(values, plain, strict=True))


def expected(points):
    values = [(each.key, repr(each.value), each.timestamp, each.step) for each in points]
    return sorted(zip(values, [tuple(each[4:]) for each in points], strict=True))


@pytest.fixture
def bring(tmp_path):
    return Import(tmp_path)


def test_a_model_keeps_all_that_it_had(bring):
    bring()
    found = bring.model()
    assert (found.name, found.status, found.status_message) == ("net", "PENDING", "soon")
    assert (found.creation_timestamp, found.last_updated_timestamp) == (BEGIN, BEGIN + 5)
    assert (found.model_type, found.source_run_id) == ("agent", RUN)
    assert (found.params, found.tags) == ({"lr": "0.1"}, {"t": "1"})
    assert bring.points() == expected(POINTS)
    assert found.artifact_location.startswith(bring.uri)


@pytest.mark.parametrize("is_folded", [False, True], ids=["hot", "folded"])
def test_what_has_arrived_is_not_written_again(bring, is_folded):
    # As if it had been stopped behind some of the points.
    bring(points=POINTS[:2])
    bring(points=POINTS[:7])
    if is_folded:
        lakeflow.compact(bring.uri)
    bring()
    assert bring.points() == expected(POINTS)
    counted = dataclasses.replace(ITEM, point_count=len(POINTS))
    assert bring(counted) == 0
    assert bring() == 0
    grown = [ModelPoint("acc", 0.5, BEGIN - 1, 9, RUN), *POINTS]
    assert bring(dataclasses.replace(ITEM, point_count=len(grown)), grown) == 1
    assert bring.points() == expected(grown)


def test_what_changed_last_stays(bring):
    bring()
    changed = dataclasses.replace(
        ITEM, status="READY", last_updated_time=BEGIN + 9, tags={"t": "2", "new": "1"}
    )
    bring(changed)
    found = bring.model()
    assert (found.status, found.tags) == ("READY", {"t": "2", "new": "1"})
    bring.client.set_logged_model_tags(ITEM.model_id, {"t": "here"})
    bring.client.finalize_logged_model(ITEM.model_id, "FAILED")
    bring.client.delete_logged_model_tag(ITEM.model_id, "new")
    bring(dataclasses.replace(changed, last_updated_time=BEGIN + 10, params={"late": "1"}))
    found = bring.model()
    assert (found.status, found.tags) == ("FAILED", {"t": "here"})
    assert found.params == {"late": "1", "lr": "0.1"}


def test_a_deleted_model_is_deleted(bring):
    bring(dataclasses.replace(ITEM, lifecycle_stage="deleted"))
    assert list(bring.client.search_logged_models([bring.experiment])) == []


def test_what_no_lake_can_hold_is_reported(bring):
    bring(dataclasses.replace(ITEM, name=5))
    assert [each.where for each in bring.problems] == [f"logged model {ITEM.model_id}"]


def test_a_model_stays_in_the_experiment_that_it_is_in(bring):
    bring(points=POINTS[:2])
    bring(experiment=bring.client.create_experiment("another"))
    assert bring.model().experiment_id == bring.experiment
    assert bring.points() == expected(POINTS)
