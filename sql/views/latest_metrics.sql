-- One row per metric of a run: its last value, and a summary of all its points.
CREATE OR REPLACE VIEW latest_metrics AS
SELECT
    experiment_id,
    run_id,
    "key",
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
FROM lakeflow.latest_metrics;
