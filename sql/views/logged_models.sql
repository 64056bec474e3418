-- One row per logged model, deleted ones included.
CREATE OR REPLACE VIEW logged_models AS
SELECT
    model_id,
    experiment_id,
    "name",
    creation_timestamp,
    CASE
        WHEN creation_timestamp BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(creation_timestamp * 1000)
    END AS creation_timestamp_at,
    last_updated_timestamp,
    CASE
        WHEN last_updated_timestamp BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(last_updated_timestamp * 1000)
    END AS last_updated_timestamp_at,
    status,
    status_message,
    model_type,
    source_run_id,
    lifecycle_stage,
    artifact_location
FROM lakeflow.logged_models;
