-- One row per file of a model version whose artifacts were logged to a lake.
CREATE OR REPLACE VIEW model_version_files AS
SELECT
    model_id,
    models."name",
    versions."version",
    files.path,
    files.size,
    files.sha256
FROM lakeflow.model_version_files AS files
INNER JOIN lakeflow.model_versions AS versions USING (model_id, version_id)
INNER JOIN lakeflow.registered_models AS models USING (model_id);
