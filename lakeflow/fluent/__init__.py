"""The fluent functions: log to the active run of this thread or task, starting one if none.

import lakeflow as mlflow

with mlflow.start_run(run_name="first"):
    mlflow.log_param("lr", 0.01)
    mlflow.log_metric("loss", 0.5, step=1)
"""
