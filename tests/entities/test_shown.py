"""Entities as they are shown: short lines, tables of a notebook, dictionaries of MLflow's."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

import lakeflow
from lakeflow import LakeflowClient, entities
from lakeflow.entities import (
    Dataset,
    DatasetInput,
    Experiment,
    InputTag,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunTag,
)
from lakeflow.exceptions import NotFoundError
from lakeflow.values import replace

HOSTILE = "<script>\x1b]0;owned\x07\x9b31m\u202e" + "x" * 1_000_000
RUN = Run(
    RunInfo("a" * 32, "0", "me", "RUNNING", 1, None, "active", "/artifacts", HOSTILE),
    RunData(
        {f"m{n}": float(n) for n in range(1000)},
        {"p": HOSTILE},
        {HOSTILE[:30]: "1"},
        tuple(Metric(f"m{n}", float(n), 0) for n in range(1000)),
    ),
    RunInputs([DatasetInput(Dataset("d", "1", "local", "/d", HOSTILE), [InputTag("k", "v")])]),
)
ALL = [
    *(RUN, RUN.info, RUN.data, RUN.inputs, RUN.inputs.dataset_inputs[0]),
    Experiment("1", HOSTILE, "/artifacts", "active", {"t": HOSTILE}),
    Param("p", HOSTILE),
    RunTag("t", HOSTILE),
    lakeflow.ActiveRun(RUN.info, RUN.data, RUN.inputs),
]


class Tags(HTMLParser):
    """The names of the tags in some HTML."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Note a tag."""
        self.found.add(tag)


@pytest.mark.parametrize("entity", ALL, ids=lambda each: type(each).__name__)
def test_an_entity_is_shown_short_and_harmless(entity: entities.Run) -> None:
    assert str(entity).isprintable()
    assert str(entity).startswith(f"{type(entity).__name__}(")
    assert len(str(entity)) < (500 if isinstance(entity, Run) else 2_500)
    table = entity._repr_html_()
    assert table.isprintable()
    assert Tags(table).found == {"table", "caption", "tr", "th", "td"}
    assert len(table) < 50_000


def test_a_small_value_is_shown_as_code_that_makes_it() -> None:
    for each in (Metric("m", 1.0, 2, 3), Param("p", "v"), RunTag("t", "v"), InputTag("k", "v")):
        assert eval(str(each), vars(entities)) == each
    data = RunData({"m": 1.0}, {"p": "v"}, {"t": "v"}, (Metric("m", 1.0, 2, 3),))
    assert str(data) == "RunData(metrics={'m': 1.0}, params={'p': 'v'}, tags={'t': 'v'})"


def test_a_run_is_shown_by_its_id_and_the_numbers_of_what_it_holds() -> None:
    run = replace(RUN, info=replace(RUN.info, run_name="r"))
    assert str(run) == (
        f"Run(run_id='{'a' * 32}', run_name='r', experiment_id='0', status='RUNNING', "
        "metrics: 1,000, params: 1, tags: 1, datasets: 1)"
    )


def test_dictionaries_have_what_mlflows_have() -> None:
    data = RunData({"m": 1.0}, {"p": "v"}, {"t": "v"}, (Metric("m", 1.0, 2, 3),))
    plain = {"metrics": {"m": 1.0}, "params": {"p": "v"}, "tags": {"t": "v"}}
    assert data.to_dictionary() == dict(data) == plain
    assert replace(RUN, data=data).to_dictionary()["data"] == plain
    assert RUN.inputs.to_dictionary()["dataset_inputs"] == [
        RUN.inputs.dataset_inputs[0].to_dictionary()
    ]
    metric = {"key": "m", "value": 1.0, "timestamp": 2, "step": 3}
    # Those of MLflow 3 know of models, where there is none too.
    metric |= dict.fromkeys(("model_id", "dataset_name", "dataset_digest", "run_id"))
    assert Metric("m", 1.0, 2, 3).to_dictionary() == metric
    assert Param("p", "v").to_dictionary() == {"key": "p", "value": "v"}
    for each in ALL:
        json.dumps(each.to_dictionary())


def test_a_client_is_shown_with_its_location_and_no_password() -> None:
    assert repr(LakeflowClient("memory://shown")) == "LakeflowClient('memory://shown')"
    assert "secret" not in repr(LakeflowClient("sftp://me:secret@host/lake"))


def test_an_error_shows_control_sequences_as_text() -> None:
    error = NotFoundError(f"no experiment {HOSTILE[:23]}", hint="look\tat\nthis")
    shown = r"no experiment <script>\x1b]0;owned\x07\x9b31m\u202e"
    assert error.message == str(error) == f"{shown}\nHint: look\tat\nthis"
