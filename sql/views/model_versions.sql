-- One row per version of a registered model, with its tags and the aliases that point at it.
CREATE OR REPLACE VIEW model_versions AS
SELECT
    model_id,
    models."name",
    versions."version",
    versions.creation_timestamp,
    make_timestamptz(versions.creation_timestamp * 1000) AS creation_timestamp_at,
    -- A rename changes every version, and is written down once.
    greatest(
        versions.last_updated_timestamp, models.renamed_timestamp
    ) AS last_updated_timestamp,
    make_timestamptz(
        greatest(versions.last_updated_timestamp, models.renamed_timestamp) * 1000
    ) AS last_updated_timestamp_at,
    versions.current_stage,
    versions.run_id,
    versions.source,
    versions.storage_location,
    versions.description,
    versions.user_id,
    versions.run_link,
    versions.status,
    versions.status_message,
    versions.approval,
    versions.signature,
    versions.file_count,
    coalesce(tagged.tags, MAP {}) AS tags,
    coalesce(aliased.aliases, []) AS aliases
FROM lakeflow.model_versions AS versions
-- A version has no name of its own, so that renaming a model changes one row.
INNER JOIN lakeflow.registered_models AS models USING (model_id)
LEFT JOIN (
    SELECT
        version_id,
        map_from_entries(list({'k': "key", 'v': "value"} ORDER BY "key")) AS tags
    FROM lakeflow.model_version_tags
    GROUP BY version_id
) AS tagged USING (version_id)
LEFT JOIN (
    SELECT
        model_id,
        "version",
        list(alias ORDER BY alias) AS aliases
    FROM lakeflow.registered_model_aliases
    GROUP BY model_id, "version"
) AS aliased USING (model_id, "version");
