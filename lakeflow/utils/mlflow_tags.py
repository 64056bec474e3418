"""MLflow's names of the tags that it sets or reads; what lakeflow heeds is in ``tag_names``."""

from lakeflow.entities import tag_names

LATEST_CHECKPOINT_ARTIFACT_TAG_KEY = "mlflow.latest_checkpoint_artifact"
LEGACY_MLFLOW_GIT_BRANCH_NAME = "mlflow.gitBranchName"
LEGACY_MLFLOW_GIT_REPO_URL = "mlflow.gitRepoURL"
MLFLOW_ARTIFACT_LOCATION = "mlflow.artifactLocation"
MLFLOW_AUTOLOGGING = "mlflow.autologging"
MLFLOW_DATABRICKS_CLUSTER_ID = "mlflow.databricks.cluster.id"
MLFLOW_DATABRICKS_GIT_REPO_COMMIT = "mlflow.databricks.gitRepoCommit"
MLFLOW_DATABRICKS_GIT_REPO_PROVIDER = "mlflow.databricks.gitRepoProvider"
MLFLOW_DATABRICKS_GIT_REPO_REFERENCE = "mlflow.databricks.gitRepoReference"
MLFLOW_DATABRICKS_GIT_REPO_REFERENCE_TYPE = "mlflow.databricks.gitRepoReferenceType"
MLFLOW_DATABRICKS_GIT_REPO_RELATIVE_PATH = "mlflow.databricks.gitRepoRelativePath"
MLFLOW_DATABRICKS_GIT_REPO_STATUS = "mlflow.databricks.gitRepoStatus"
MLFLOW_DATABRICKS_GIT_REPO_URL = "mlflow.databricks.gitRepoUrl"
MLFLOW_DATABRICKS_JOB_ID = "mlflow.databricks.jobID"
MLFLOW_DATABRICKS_JOB_RUN_ID = "mlflow.databricks.jobRunID"
MLFLOW_DATABRICKS_JOB_TYPE = "mlflow.databricks.jobType"
MLFLOW_DATABRICKS_JOB_TYPE_INFO = "mlflow.databricks.jobTypeInfo"
MLFLOW_DATABRICKS_NOTEBOOK_COMMAND_ID = "mlflow.databricks.notebook.commandID"
MLFLOW_DATABRICKS_NOTEBOOK_ID = "mlflow.databricks.notebookID"
MLFLOW_DATABRICKS_NOTEBOOK_PATH = "mlflow.databricks.notebookPath"
MLFLOW_DATABRICKS_RUN_URL = "mlflow.databricks.runURL"
MLFLOW_DATABRICKS_SHELL_JOB_ID = "mlflow.databricks.shellJobID"
MLFLOW_DATABRICKS_SHELL_JOB_RUN_ID = "mlflow.databricks.shellJobRunID"
MLFLOW_DATABRICKS_WEBAPP_URL = "mlflow.databricks.webappURL"
MLFLOW_DATABRICKS_WORKSPACE_ID = "mlflow.databricks.workspaceID"
MLFLOW_DATABRICKS_WORKSPACE_URL = "mlflow.databricks.workspaceURL"
MLFLOW_DATASET_CONTEXT = tag_names.DATASET_CONTEXT
MLFLOW_DOCKER_IMAGE_ID = "mlflow.docker.image.id"
MLFLOW_DOCKER_IMAGE_URI = "mlflow.docker.image.uri"
MLFLOW_EXPERIMENT_PRIMARY_METRIC_GREATER_IS_BETTER = (
    "mlflow.experiment.primaryMetric.greaterIsBetter"
)
MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME = "mlflow.experiment.primaryMetric.name"
MLFLOW_EXPERIMENT_SOURCE_ID = "mlflow.experiment.sourceId"
MLFLOW_EXPERIMENT_SOURCE_TYPE = "mlflow.experiment.sourceType"
MLFLOW_GIT_BRANCH = "mlflow.source.git.branch"
MLFLOW_GIT_COMMIT = tag_names.GIT_COMMIT
MLFLOW_GIT_REPO_URL = "mlflow.source.git.repoURL"
MLFLOW_LOGGED_ARTIFACTS = "mlflow.loggedArtifacts"
MLFLOW_LOGGED_IMAGES = "mlflow.loggedImages"
MLFLOW_LOGGED_MODELS = "mlflow.log-model.history"
MLFLOW_PARENT_RUN_ID = tag_names.PARENT_RUN
MLFLOW_PROJECT_BACKEND = "mlflow.project.backend"
MLFLOW_PROJECT_ENTRY_POINT = "mlflow.project.entryPoint"
MLFLOW_PROJECT_ENV = "mlflow.project.env"
MLFLOW_RECIPE_PROFILE_NAME = "mlflow.pipeline.profile.name"
MLFLOW_RECIPE_STEP_NAME = "mlflow.pipeline.step.name"
MLFLOW_RECIPE_TEMPLATE_NAME = "mlflow.pipeline.template.name"
MLFLOW_RUN_NAME = tag_names.RUN_NAME
MLFLOW_RUN_NOTE = tag_names.NOTE
MLFLOW_RUN_SOURCE_TYPE = "mlflow.runSourceType"
MLFLOW_SOURCE_NAME = tag_names.SOURCE_NAME
MLFLOW_SOURCE_TYPE = tag_names.SOURCE_TYPE
MLFLOW_USER = tag_names.USER

IMMUTABLE_TAGS = {MLFLOW_USER, MLFLOW_ARTIFACT_LOCATION}
"""Tags that MLflow's servers do not let anybody change; a lake lets everybody."""
