-- One row per dataset that a run used.
CREATE OR REPLACE VIEW inputs AS
SELECT
    experiment_id,
    run_id,
    "name",
    digest,
    source_type,
    source,
    "schema",
    profile,
    tags
FROM lakeflow.inputs;
