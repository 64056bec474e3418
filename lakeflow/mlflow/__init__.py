"""lakeflow inside MLflow: the stores that the real ``mlflow`` package runs on.

``mlflow.set_tracking_uri("lakeflow:///folder")`` finds them by the entry points of this
package; nothing here is imported by who does not use MLflow, and no other room imports it.

entry_points            what MLflow calls for a URI; imports MLflow only when it is called
tracking_store          MLflow's tracking store: a class that inherits a noun from each module
registry_store          MLflow's registry store
registered_models       its nouns: models and aliases; model_versions, webhooks
prompts                 which models are prompts, and how searches skip them
registry_entities       our models and versions as MLflow's
artifact_repository     files of any fsspec filesystem, as MLflow asks for them
artifact_folders        the folder of an artifact URI, and what is recorded of it
locations               locations of a lake as URIs that lead back here
errors                  our errors as MLflow's
"""
