-- One row per metric, dataset and run of a logged model: its last value, and a summary of all.
CREATE OR REPLACE VIEW latest_logged_model_metrics AS
SELECT
    experiment_id,
    model_id,
    "key",
    dataset_name,
    dataset_digest,
    run_id,
    "value",
    step,
    "timestamp",
    CASE
        WHEN "timestamp" BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz("timestamp" * 1000)
    END AS timestamp_at,
    "min",
    "max",
    "count"
FROM lakeflow.latest_logged_model_metrics;
