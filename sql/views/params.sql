-- One row per parameter of a run.
CREATE OR REPLACE VIEW params AS
SELECT
    experiment_id,
    run_id,
    "key",
    "value"
FROM lakeflow.params;
