-- One row per file that was logged to a run.
CREATE OR REPLACE VIEW artifacts AS
SELECT
    experiment_id,
    run_id,
    "path",
    size,
    sha256,
    "kind",
    "key",
    step,
    "timestamp",
    CASE
        WHEN "timestamp" BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz("timestamp" * 1000)
    END AS timestamp_at,
    log_time,
    CASE
        WHEN log_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(log_time * 1000)
    END AS log_time_at
FROM lakeflow.artifacts;
