-- One row per point of a metric.
CREATE OR REPLACE VIEW metrics AS
SELECT
    experiment_id,
    run_id,
    "key",
    step,
    "timestamp",
    -- Whoever logs a point says when it was: any number of 64 bits, of which few are a date.
    CASE
        WHEN "timestamp" BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz("timestamp" * 1000)
    END AS timestamp_at,
    "value",
    clock,
    writer,
    seq,
    place
FROM lakeflow.metrics;
