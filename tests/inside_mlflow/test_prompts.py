"""Prompts, which are registered models to the store: the same over a database and a lake."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModelTag
from mlflow.exceptions import MlflowException

from lakeflow import LakeflowClient
from lakeflow.mlflow.locations import lake_uri

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")

_TAG = "mlflow.prompt.is_prompt"

_FILTERS = [
    None,
    "name LIKE '%'",
    f"tags.`{_TAG}` = 'true'",
    f"tags.`{_TAG}` != 'true'",
    f"tags.`{_TAG}` = 'false'",
    f"tags.`{_TAG}` != 'false'",
    f"name LIKE 'a%' AND tags.`{_TAG}` != 'true'",
    f"name LIKE '%-prompt' AND tags.`{_TAG}` = 'TRUE'",
    "tags.team = 'x'",
    f"tags.team = 'x' AND tags.`{_TAG}` = 'false'",
]


@pytest.fixture(scope="module")
def clients(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> list[MlflowClient]:
    """MLflow's own store and a lake, with models and prompts."""
    folder = tmp_path_factory.mktemp("prompts")
    shutil.copy(migrated, folder / "mlflow.db")
    made = []
    for uri in (f"sqlite:///{folder}/mlflow.db", lake_uri(str(folder / "lake"))):
        client = MlflowClient(uri, uri)
        store = client._get_registry_client().store
        for name, key, value in (("a-model", "team", "x"), ("b-model", _TAG, "false")):
            store.create_registered_model(name, [RegisteredModelTag(key, value)])
            client.create_model_version(name, "s3://b/x")
        client.register_prompt("a-prompt", "Hello {{name}}", "first", {"team": "x", "v": "1"})
        client.register_prompt("a-prompt", "Goodbye {{name}}", "second")
        chat = [{"role": "user", "content": "{{question}}"}]
        client.register_prompt("chat-prompt", chat, response_format={"type": "object"})
        client.set_prompt_alias("a-prompt", "live", 1)
        made.append(client)
    return made


def _alike(clients: list[MlflowClient], call: Any) -> Any:
    answers = []
    for client in clients:
        try:
            answers.append(call(client))
        except MlflowException as error:
            answers.append(error.error_code)
    expected, found = answers
    assert found == expected
    return found


def _version(prompt: Any) -> Any:
    fields = "name version template commit_message tags aliases response_format variables"
    return [getattr(prompt, each) for each in fields.split()]


@pytest.mark.parametrize("filter_string", _FILTERS)
def test_a_search_of_models_has_prompts_only_where_the_filter_asks_for_them(
    filter_string: str | None, clients: list[MlflowClient]
) -> None:
    _alike(clients, lambda c: [e.name for e in c.search_registered_models(filter_string)])
    by = ["name", "version_number"]
    _alike(
        clients,
        lambda c: [
            (e.name, e.version) for e in c.search_model_versions(filter_string, order_by=by)
        ],
    )


def test_pages_of_models_have_no_holes_where_prompts_are(clients: list[MlflowClient]) -> None:
    _, lake = clients
    first = lake.search_registered_models(max_results=1)
    second = lake.search_registered_models(max_results=1, page_token=first.token)
    assert [[e.name for e in page] for page in (first, second)] == [["a-model"], ["b-model"]]
    assert second.token is None


def test_a_filter_with_or_says_itself_what_it_means(clients: list[MlflowClient]) -> None:
    _, lake = clients
    found = lake.search_registered_models(f"tags.`{_TAG}` = 'true' OR name = 'a-model'")
    assert [each.name for each in found] == ["a-model", "a-prompt", "chat-prompt"]


def test_prompts_are_read_alike(clients: list[MlflowClient]) -> None:
    for uri in ("prompts:/a-prompt/1", "prompts:/a-prompt/2", "prompts:/chat-prompt/1"):
        _alike(clients, lambda c, uri=uri: _version(c.load_prompt(uri)))
    _alike(clients, lambda c: _version(c.load_prompt("prompts:/a-prompt@live")))
    _alike(clients, lambda c: _version(c.load_prompt("a-prompt")))
    _alike(clients, lambda c: c.load_prompt("prompts:/a-prompt/99"))
    _alike(clients, lambda c: c.load_prompt("prompts:/nothing/1"))
    _alike(clients, lambda c: c.load_prompt("prompts:/a-model/1"))
    _alike(clients, lambda c: [(e.name, e.tags) for e in c.search_prompts()])
    _alike(clients, lambda c: [e.name for e in c.search_prompts("name LIKE 'chat%'")])
    _alike(clients, lambda c: [e.version for e in c.search_prompt_versions("a-prompt")])
    _alike(clients, lambda c: c.search_prompt_versions("a-model"))


@pytest.mark.parametrize(
    ("call", "name", "says"),
    [
        ("create_prompt", "a-model", "already taken by a registered model"),
        ("create_registered_model", "a-prompt", "already taken by a prompt"),
        ("create_prompt", "a-prompt", r"Prompt \(name=a-prompt\) already exists"),
    ],
)
def test_a_name_is_of_a_model_or_of_a_prompt(
    call: str, name: str, says: str, clients: list[MlflowClient]
) -> None:
    for client in clients:
        store = client._get_registry_client().store
        with pytest.raises(MlflowException, match=says) as raised:
            getattr(store, call)(name)
        assert raised.value.error_code == "RESOURCE_ALREADY_EXISTS"


def test_prompts_are_changed_alike(clients: list[MlflowClient]) -> None:
    def change(c: MlflowClient) -> Any:
        c.register_prompt("changing", "one")
        c.register_prompt("changing", "two")
        c.set_prompt_tag("changing", "k", "v")
        c.set_prompt_version_tag("changing", "1", "k", "v")
        c.set_prompt_alias("changing", "live", 2)
        c.delete_prompt_alias("changing", "live")
        told = [c.get_prompt("changing").tags, _version(c.load_prompt("prompts:/changing/1"))]
        c.delete_prompt_tag("changing", "k")
        c.delete_prompt_version_tag("changing", "1", "k")
        c.delete_prompt_version("changing", "1")
        told += [c.get_prompt("changing").tags]
        told += [[e.version for e in c.search_prompt_versions("changing")]]
        c.delete_prompt_version("changing", "2")
        c.delete_prompt("changing")
        return [*told, c.get_prompt("changing")]

    _alike(clients, change)


@pytest.fixture
def here(tmp_path: Path) -> str:
    """The lake of the process."""
    uri = lake_uri(str(tmp_path / "lake"))
    mlflow.set_tracking_uri(uri)
    return uri


def test_the_functions_of_the_module_work(here: str) -> None:
    mlflow.genai.register_prompt("p", "Hello {{name}}", commit_message="c", tags={"t": "1"})
    mlflow.genai.register_prompt("p", "Bye {{name}}")
    mlflow.genai.set_prompt_alias("p", "live", 2)
    assert mlflow.genai.load_prompt("prompts:/p@live").format(name="you") == "Bye you"
    assert [each.name for each in mlflow.genai.search_prompts()] == ["p"]
    mlflow.genai.delete_prompt_alias("p", "live")
    mlflow.register_prompt("q", "{{x}}")
    assert mlflow.load_prompt("q", 1).template == "{{x}}"
    assert [each.name for each in mlflow.search_prompts("name = 'q'")] == ["q"]
    assert MlflowClient().search_registered_models() == []
    # To our own client a prompt is a registered model.
    assert LakeflowClient(here).get_registered_model("p").tags[_TAG] == "true"


def test_a_prompt_that_a_run_loads_is_linked_to_it(here: str) -> None:
    mlflow.genai.register_prompt("linked", "x")
    with mlflow.start_run() as run:
        mlflow.genai.load_prompt("prompts:/linked/1")
    tags = MlflowClient().get_run(run.info.run_id).data.tags
    assert '"linked"' in tags["mlflow.linkedPrompts"]


def test_prompts_are_found_by_their_experiment(here: str) -> None:
    experiment = mlflow.set_experiment("of the prompt")
    mlflow.genai.register_prompt("here", "x")
    mlflow.set_experiment("another one")
    mlflow.genai.register_prompt("there", "x")
    found = MlflowClient().search_prompts(f"experiment_id = '{experiment.experiment_id}'")
    assert [each.name for each in found] == ["here"]


def test_webhooks_are_none_and_cannot_be_made(clients: list[MlflowClient]) -> None:
    _, lake = clients
    assert lake.list_webhooks() == []
    store = lake._get_registry_client().store
    assert store.list_webhooks_by_event(None) == []
    for name in ("create", "get", "update", "delete", "test"):
        with pytest.raises(MlflowException, match="webhooks are not implemented") as raised:
            getattr(store, f"{name}_webhook")("w")
        assert raised.value.get_http_status_code() == 501
