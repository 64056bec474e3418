-- One row per run that a trace was linked to after it had begun.
CREATE OR REPLACE VIEW trace_runs AS
SELECT
    experiment_id,
    trace_id,
    run_id,
    linked_time,
    CASE
        WHEN linked_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(linked_time * 1000)
    END AS linked_time_at
FROM lakeflow.trace_runs;
