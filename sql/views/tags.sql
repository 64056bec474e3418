-- One row per tag of a run.
CREATE OR REPLACE VIEW tags AS
SELECT
    experiment_id,
    run_id,
    "key",
    "value"
FROM lakeflow.tags;
