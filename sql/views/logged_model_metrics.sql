-- One row per point of a metric of a logged model.
CREATE OR REPLACE VIEW logged_model_metrics AS
SELECT
    experiment_id,
    model_id,
    "key",
    dataset_name,
    dataset_digest,
    run_id,
    step,
    "timestamp",
    CASE
        WHEN "timestamp" BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz("timestamp" * 1000)
    END AS timestamp_at,
    "value",
    clock,
    writer,
    seq,
    place
FROM lakeflow.logged_model_metrics;
