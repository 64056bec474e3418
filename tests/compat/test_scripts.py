"""What a script needs of MLflow, from its text alone."""

from __future__ import annotations

import ast
from textwrap import dedent

import pytest

import lakeflow
from lakeflow.compat.scripts import Script, read_script


def read(source: str) -> Script:
    return read_script(ast.parse(dedent(source)))


def found(source: str) -> list[tuple[str, str, tuple[int, ...]]]:
    """Return kind, name and lines of what is found."""
    return [(each.kind, each.name, each.lines) for each in read(source).findings]


def test_a_script_of_names_that_are_here_needs_only_its_import_changed() -> None:
    script = read("""
        import mlflow
        from mlflow.entities import Metric, RunStatus, ViewType
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        mlflow.set_experiment("digits")
        with mlflow.start_run(run_name="first", nested=True) as run:
            mlflow.log_params({"lr": 0.1})
            mlflow.log_metric("loss", 0.5, step=1)
        client = MlflowClient()
        client.log_batch(run.info.run_id, metrics=[Metric("a", 1.0, 1, 0)])
        client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))
        print(mlflow.search_runs(run_view_type=ViewType.ALL).columns)
    """)
    assert script.findings == ()
    assert script.door == "lakeflow"


def test_models_flavours_and_autologging_keep_mlflow() -> None:
    source = """
        import mlflow
        import mlflow.pytorch as torch_flavour
        from mlflow.models import infer_signature
        mlflow.autolog()
        class Model(mlflow.pyfunc.PythonModel):
            pass
        mlflow.sklearn.log_model(1, "a", signature=infer_signature(2))
        mlflow.sklearn.log_model(2, "b")
        torch_flavour.log_model(3, "c")
    """
    assert found(source) == [
        ("model", "mlflow.pytorch", (3,)),
        ("model", "mlflow.models.infer_signature", (4,)),
        ("model", "mlflow.autolog", (5,)),
        ("model", "mlflow.pyfunc.PythonModel", (6,)),
        ("model", "mlflow.sklearn.log_model", (8, 9)),
        ("model", "mlflow.pytorch.log_model", (10,)),
    ]
    assert read(source).door == "mlflow"


def test_a_name_and_a_parameter_that_nobody_has_are_absent() -> None:
    assert found("""
        import mlflow
        from mlflow.nowhere import something
        mlflow.log_sound("a")
        with mlflow.start_run(colour="red"):
            mlflow.entities.Nothing()
    """) == [
        ("absent", "mlflow.nowhere.something", (3,)),
        ("absent", "mlflow.log_sound", (4,)),
        ("absent", "mlflow.start_run(colour=)", (5,)),
        ("absent", "mlflow.entities.Nothing", (6,)),
    ]


# Clients are made, kept and passed in many ways; each calls one method that nobody has.
CLIENTS = {
    "called": "MlflowClient().fly()",
    "of the package": "mlflow.tracking.MlflowClient().fly()",
    "variable": "client = MlflowClient()\nclient.fly()",
    "alias": "api = mlflow\nclient = api.MlflowClient()\nclient.fly()",
    "named": "(client := MlflowClient()).get_run(1); client.fly()",
    "annotated": "def f(client: 'str | None', other: MlflowClient | None = None):\n    other.fly()",
    "attribute": """
        class A:
            def __init__(self, client: MlflowClient = None):
                self._client = client or MlflowClient()
            def f(self):
                self._client.fly()
    """,
    "property": """
        class A:
            @property
            @rank_zero_only
            def experiment(self) -> "MlflowClient":
                return self._it
            def f(self):
                self.experiment.fly()
    """,
    "given": "def f(client):\n    client.fly()\ndef g():\n    client = MlflowClient()\n    f(client)",
}


@pytest.mark.parametrize("kind", CLIENTS)
def test_methods_of_what_is_evidently_a_client_are_looked_up(kind: str) -> None:
    imports = "import mlflow\nfrom mlflow import MlflowClient\n"
    names = [name for _, name, _ in found(imports + dedent(CLIENTS[kind]))]
    assert names == ["MlflowClient.fly"]


def test_what_is_called_client_elsewhere_is_none() -> None:
    assert not found("""
        from mlflow import MlflowClient
        client = MongoClient("mongo")
        def ours():
            client = MlflowClient()
            client.get_run("a")
        def theirs():
            client = kfp.Client()
            client.get_pipeline_id("a")
        def given(client: Session):
            client.post("a")
        client.list_databases()
        either = MlflowClient()
        either = Other()
        either.fly()
    """)


def test_an_import_of_the_real_mlflow_beside_lakeflow_is_shown() -> None:
    source = """
        import lakeflow as mlflow
        import mlflow.sklearn
        from mlflow.tracking import MlflowClient
        mlflow.log_metric("a", 1)
    """
    assert found(source) == [
        ("real", "mlflow.sklearn", (3,)),
        ("real", "mlflow.tracking.MlflowClient", (4,)),
    ]
    first, second = read(source).findings
    assert "`import mlflow.sklearn` makes `mlflow` the real MLflow, and line 2" in first.text
    assert "beside lakeflow in line 2" in second.text
    assert read(source).door == "lakeflow"


def test_alternatives_are_no_mixture() -> None:
    assert not found("""
        try:
            import lakeflow as mlflow
        except ImportError:
            import mlflow
        if here:
            from lakeflow import MlflowClient
        else:
            from mlflow import MlflowClient
    """)
    assert not found("""
        def one():
            import lakeflow as mlflow
        def other():
            import mlflow
    """)
    assert not found("import lakeflow\nimport mlflow\nmlflow.log_metric('a', 1)")


@pytest.mark.parametrize(
    "code",
    [
        "mlflow.__version__ >= '2.0'",
        "Version(mlflow.__version__)",
        "packaging.version.parse(mlflow.__version__)",
        "mlflow.__version__.startswith('2.')",
        "int(mlflow.__version__.split('.')[0]) > 1",
    ],
)
def test_a_version_that_is_compared_is_shown_with_ours(code: str) -> None:
    (finding,) = read(f"import mlflow\n{code}").findings
    assert (finding.kind, finding.lines) == ("version", (2,))
    assert lakeflow.__version__ in finding.text


def test_a_version_that_is_only_shown_or_logged_is_not_compared() -> None:
    assert not found("""
        import mlflow
        print(f"{mlflow.__version__}")
        mlflow.set_tag("version", mlflow.__version__)
    """)


def test_addresses_of_servers_are_shown_without_passwords() -> None:
    script = read("""
        import mlflow
        mlflow.set_tracking_uri("http://user:secret@host:5000")
        mlflow.set_tracking_uri(f"databricks://{profile}")
        mlflow.set_tracking_uri(uri=os.environ["URI"])
        mlflow.set_tracking_uri("file:./mlruns")
        mlflow.MlflowClient(tracking_uri="sqlite:///a.db")
    """)
    assert [each.lines[0] for each in script.findings] == [3, 4, 7]
    assert {each.kind for each in script.findings} == {"location"}
    assert "secret" not in script.findings[0].text


def test_a_name_that_is_asked_for_first_is_not_missed() -> None:
    assert found("""
        import mlflow
        if hasattr(mlflow, "log_sound"):
            mlflow.log_sound("a")
        say = mlflow.log_sound if x and hasattr(mlflow, "log_sound") else print
        mlflow.log_sound("b")
    """) == [("absent", "mlflow.log_sound", (6,))]


def test_names_of_other_packages_are_none_of_ours() -> None:
    assert not found("""
        import numpy as np
        from . import mlflow_tools
        from .mlflow import anything
        import mlflow_extra.sklearn
        np.nothing(mlflow_tools.x)
    """)
