"""MLflow's name of the error codes: ``from lakeflow.protos.databricks_pb2 import ABORTED``."""

from lakeflow.error_codes import *  # noqa: F403
