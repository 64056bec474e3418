-- One row per dataset of the run that made a model version, with the aliases of the version;
-- one with nulls for a version whose run has no datasets or is not in this lake.
CREATE OR REPLACE VIEW model_lineage AS
SELECT
    inputs."name" AS dataset_name,
    inputs.digest AS dataset_digest,
    inputs.source AS dataset_source,
    runs.experiment_id,
    versions.run_id,
    runs.run_name,
    models."name" AS model_name,
    versions."version",
    versions.current_stage,
    versions.approval,
    coalesce(aliased.aliases, []) AS aliases
FROM lakeflow.model_versions AS versions
INNER JOIN lakeflow.registered_models AS models USING (model_id)
LEFT JOIN lakeflow.runs AS runs ON runs.run_id = versions.run_id
LEFT JOIN lakeflow.inputs AS inputs ON inputs.run_id = versions.run_id
LEFT JOIN (
    SELECT
        model_id,
        "version",
        list(alias ORDER BY alias) AS aliases
    FROM lakeflow.registered_model_aliases
    GROUP BY model_id, "version"
) AS aliased
    ON aliased.model_id = versions.model_id AND aliased."version" = versions."version";
