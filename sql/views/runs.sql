-- One row per run, deleted ones included.
CREATE OR REPLACE VIEW runs AS
SELECT
    run_id,
    experiment_id,
    start_time,
    CASE
        WHEN start_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(start_time * 1000)
    END AS start_time_at,
    end_time,
    CASE
        WHEN end_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(end_time * 1000)
    END AS end_time_at,
    status,
    lifecycle_stage,
    run_name,
    user_id,
    artifact_uri
FROM lakeflow.runs;
