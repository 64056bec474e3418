-- One row per run, deleted ones included, with all that is known of it but the points.
CREATE OR REPLACE VIEW runs_wide AS
SELECT
    runs.run_id,
    runs.experiment_id,
    runs.start_time,
    CASE
        WHEN runs.start_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(runs.start_time * 1000)
    END AS start_time_at,
    runs.end_time,
    CASE
        WHEN runs.end_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(runs.end_time * 1000)
    END AS end_time_at,
    runs.status,
    CASE
        WHEN moved.lifecycle_clock > coalesce(runs.lifecycle_clock, 0) THEN moved.lifecycle_stage
        ELSE runs.lifecycle_stage
    END AS lifecycle_stage,
    runs.run_name,
    runs.user_id,
    runs.artifact_uri,
    coalesce(params.packed, MAP {}) AS params,
    coalesce(tags.packed, MAP {}) AS tags,
    coalesce(metrics.packed, MAP {}) AS metrics,
    coalesce(inputs.packed, []) AS inputs
FROM lakeflow.runs AS runs
LEFT JOIN (
    SELECT experiment_id, lifecycle_stage, lifecycle_clock
    FROM lakeflow.experiments
    WHERE lifecycle_clock IS NOT NULL
) AS moved ON moved.experiment_id = runs.experiment_id
LEFT JOIN (
    SELECT experiment_id, run_id, map_from_entries(list({'k': "key", 'v': "value"})) AS packed
    FROM lakeflow.params
    GROUP BY experiment_id, run_id
) AS params ON params.experiment_id = runs.experiment_id AND params.run_id = runs.run_id
LEFT JOIN (
    SELECT experiment_id, run_id, map_from_entries(list({'k': "key", 'v': "value"})) AS packed
    FROM lakeflow.tags
    GROUP BY experiment_id, run_id
) AS tags ON tags.experiment_id = runs.experiment_id AND tags.run_id = runs.run_id
LEFT JOIN (
    SELECT experiment_id, run_id, map_from_entries(list({'k': "key", 'v': "value"})) AS packed
    FROM lakeflow.latest_metrics
    GROUP BY experiment_id, run_id
) AS metrics ON metrics.experiment_id = runs.experiment_id AND metrics.run_id = runs.run_id
LEFT JOIN (
    SELECT
        experiment_id,
        run_id,
        list({
            'name': "name",
            'digest': digest,
            'source_type': source_type,
            'source': source,
            'schema': "schema",
            'profile': profile,
            'tags': tags
        } ORDER BY "name", digest) AS packed
    FROM lakeflow.inputs
    GROUP BY experiment_id, run_id
) AS inputs ON inputs.experiment_id = runs.experiment_id AND inputs.run_id = runs.run_id;
