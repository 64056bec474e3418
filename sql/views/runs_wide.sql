-- One row per run, deleted ones included, with all that is known of it but the points.
CREATE OR REPLACE VIEW runs_wide AS
SELECT
    run_id,
    experiment_id,
    run.start_time AS start_time,
    CASE
        WHEN run.start_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(run.start_time * 1000)
    END AS start_time_at,
    run.end_time AS end_time,
    CASE
        WHEN run.end_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(run.end_time * 1000)
    END AS end_time_at,
    run.status AS status,
    run.lifecycle_stage AS lifecycle_stage,
    run.run_name AS run_name,
    run.user_id AS user_id,
    run.artifact_uri AS artifact_uri,
    params,
    tags,
    map(map_keys(metrics), list_transform(map_values(metrics), lambda last: last."value"))
        AS metrics,
    inputs
FROM (
    SELECT
        run_id,
        experiment_id,
        unnest(from_json("document", '{
            "run": {
                "start_time": "BIGINT",
                "end_time": "BIGINT",
                "status": "VARCHAR",
                "lifecycle_stage": "VARCHAR",
                "run_name": "VARCHAR",
                "user_id": "VARCHAR",
                "artifact_uri": "VARCHAR"
            },
            "params": "MAP(VARCHAR, VARCHAR)",
            "tags": "MAP(VARCHAR, VARCHAR)",
            "metrics": "MAP(VARCHAR, STRUCT(\"value\" DOUBLE))",
            "inputs": [{
                "name": "VARCHAR",
                "digest": "VARCHAR",
                "source_type": "VARCHAR",
                "source": "VARCHAR",
                "schema": "VARCHAR",
                "profile": "VARCHAR",
                "tags": "VARCHAR"
            }]
        }'))
    FROM lakeflow.run_documents
);
