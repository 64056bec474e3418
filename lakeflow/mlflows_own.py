"""Names of MLflow that lakeflow leaves to MLflow itself: models, flavours, autologging.

``import lakeflow.sklearn`` is Python's own ModuleNotFoundError: only a finder in
``sys.meta_path`` could say more, and that would take part in all imports of the process.
"""

from __future__ import annotations

from lakeflow.exceptions import NotHereError

MLFLOWS_OWN = frozenset(
    (
        "anthropic autogen autolog catboost crewai deployments diviner dspy evaluate "
        "evaluation fastai gateway gemini gluon h2o johnsnowlabs keras langchain lightgbm "
        "litellm llama_index llm metrics mleap models onnx openai paddle pmdarima projects "
        "promptflow promptlab prophet pyfunc pyspark pytorch recipes rfunc run sagemaker "
        "sentence_transformers shap sklearn spacy spark statsmodels tensorflow transformers "
        "types validate_evaluation_results xgboost"
    ).split()
)
"""Of the top level. A flavour needs the library that it is about, and formats of MLflow's."""

OTHER_DOOR = (
    "keep `import mlflow` for it, with "
    'mlflow.set_tracking_uri("lakeflow:///path/to/lake"); '
    "pip install 'lakeflow[mlflow]' brings what that needs"
)


def missing(package: str, name: str) -> AttributeError:
    """Return the error of a name that a package of ours does not have."""
    if name in MLFLOWS_OWN:
        return NotHereError(
            f"{package}.{name} is not here: models, flavours and autologging stay MLflow's",
            hint=OTHER_DOOR,
        )
    return AttributeError(f"module {package!r} has no attribute {name!r}")
