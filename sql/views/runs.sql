-- One row per run, deleted ones included. Deleting or restoring an experiment does the same to
-- its runs: what was done later counts.
CREATE OR REPLACE VIEW runs AS
SELECT
    run_id,
    runs.experiment_id,
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
    CASE
        WHEN moved.lifecycle_clock > coalesce(runs.lifecycle_clock, 0) THEN moved.lifecycle_stage
        ELSE runs.lifecycle_stage
    END AS lifecycle_stage,
    run_name,
    user_id,
    artifact_uri
FROM lakeflow.runs AS runs
LEFT JOIN (
    SELECT experiment_id, lifecycle_stage, lifecycle_clock
    FROM lakeflow.experiments
    WHERE lifecycle_clock IS NOT NULL
) AS moved ON moved.experiment_id = runs.experiment_id;
