-- One row per experiment, deleted ones included, with its tags.
CREATE OR REPLACE VIEW experiments AS
SELECT
    experiment_id,
    name,
    artifact_location,
    lifecycle_stage,
    creation_time,
    CASE
        WHEN creation_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(creation_time * 1000)
    END AS creation_time_at,
    last_update_time,
    CASE
        WHEN last_update_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(last_update_time * 1000)
    END AS last_update_time_at,
    coalesce(tagged.tags, MAP {}) AS tags
FROM lakeflow.experiments
LEFT JOIN (
    SELECT
        experiment_id,
        map_from_entries(list({'k': "key", 'v': "value"} ORDER BY "key")) AS tags
    FROM lakeflow.experiment_tags
    GROUP BY experiment_id
) AS tagged USING (experiment_id);
