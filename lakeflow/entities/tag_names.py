"""MLflow's names of the tags that have a meaning, to clients and web pages of MLflow too."""

RUN_NAME = "mlflow.runName"
"""Name of a run; kept equal to ``run_name`` of its ``RunInfo``."""

PARENT_RUN = "mlflow.parentRunId"
"""Id of the run that a nested run belongs to."""

USER = "mlflow.user"
"""Who started a run; becomes ``user_id`` of its ``RunInfo``."""

NOTE = "mlflow.note.content"
"""Description of a run."""

SOURCE_NAME = "mlflow.source.name"
"""Program that started a run."""

SOURCE_TYPE = "mlflow.source.type"
"""Kind of that program, such as ``"LOCAL"``."""

GIT_COMMIT = "mlflow.source.git.commit"
"""Commit of the repository that the program is in."""

LOGGED_IMAGES = "mlflow.loggedImages"
"""``"True"`` for a run with images that were logged by steps."""

DATASET_CONTEXT = "mlflow.data.context"
"""What a run uses a dataset for, such as ``"training"``; a tag of that use."""

LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"
"""Tables and the like of a run: a JSON list of objects with ``path`` and ``type``."""
