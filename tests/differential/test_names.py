"""The page of names: which names of MLflow 2.19 are here, as MLflow and lakeflow say themselves.

``make names`` writes it anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from lakeflow.compat.names import look_up, stays_with_mlflow, takes
from lakeflow.mlflows_own import MLFLOWS_OWN

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "names.md"

TOP = """\
# Names of MLflow

Which public names of MLflow 2.19 are in lakeflow. `make names` writes this page from both packages, and
a test holds it to them.

- **yes**: `import lakeflow as mlflow` has it, with MLflow's parameters unless it says otherwise.
- **MLflow's own**: models, their flavours, autologging and projects stay MLflow's. `lakeflow.sklearn` and
  the like raise a `NotHereError`, and `import lakeflow.sklearn` a `ModuleNotFoundError`.
- **no**: it is not there, or not yet.

The door for the last two is MLflow itself with its store in a lake: `import mlflow` and
`mlflow.set_tracking_uri("lakeflow:///path/to/lake")`, as [run MLflow itself on a lake](../how-to/mlflow.md) tells.
[`lakeflow compat`](command-line.md) says which of the names a script uses.
"""


def answer(where: str, name: str, parameters: list[str] | None) -> str:
    path = f"{where}.{name}".removeprefix("mlflow.")
    found = look_up(path)
    if found.missing:
        return "MLflow's own" if stays_with_mlflow(path) else "no"
    absent = [each for each in parameters or () if not takes(found.value, each)]
    return f"yes, without {', '.join(f'`{each}`' for each in absent)}" if absent else "yes"


def section(where: str, names: dict[str, list[str] | None]) -> str:
    title, prefix = ("Other modules", "mlflow") if where == "modules" else (f"`{where}`", where)
    answers = {name: answer(prefix, name, given) for name, given in names.items()}
    count = sum(each.startswith("yes") for each in answers.values())
    rows = "".join(f"| `{name}` | {answers[name]} |\n" for name in answers)
    return (
        f"\n## {title}\n\n{count} of {len(answers)} are here.\n\n"
        f"| name | in lakeflow |\n| --- | --- |\n{rows}"
    )


def test_the_page_says_which_names_are_here(mlflow) -> None:
    names = mlflow.ask("names")["value"]
    page = TOP + "".join(section(where, found) for where, found in names.items())
    if "LAKEFLOW_TEST_WRITE_NAMES" in os.environ:
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "make names writes it anew"


def test_what_stays_with_mlflow_is_in_mlflow(mlflow) -> None:
    names = mlflow.ask("names")["value"]
    functions = {"autolog", "evaluate", "run", "validate_evaluation_results"}
    unlisted = {"deployments", "evaluation", "gateway", "sagemaker"}
    assert functions <= set(names["mlflow"])
    assert set(names["modules"]) - {"tracing"} == MLFLOWS_OWN - functions - unlisted
