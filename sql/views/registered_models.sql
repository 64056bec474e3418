-- One row per registered model, with its tags and its aliases.
CREATE OR REPLACE VIEW registered_models AS
SELECT
    model_id,
    "name",
    creation_timestamp,
    make_timestamptz(creation_timestamp * 1000) AS creation_timestamp_at,
    last_updated_timestamp,
    make_timestamptz(last_updated_timestamp * 1000) AS last_updated_timestamp_at,
    description,
    last_version,
    requires_approval = 1 AS requires_approval,
    coalesce(tagged.tags, MAP {}) AS tags,
    coalesce(aliased.aliases, MAP {}) AS aliases
FROM lakeflow.registered_models
LEFT JOIN (
    SELECT
        model_id,
        map_from_entries(list({'k': "key", 'v': "value"} ORDER BY "key")) AS tags
    FROM lakeflow.registered_model_tags
    GROUP BY model_id
) AS tagged USING (model_id)
LEFT JOIN (
    SELECT
        model_id,
        map_from_entries(list({'k': alias, 'v': "version"} ORDER BY alias)) AS aliases
    FROM lakeflow.registered_model_aliases
    GROUP BY model_id
) AS aliased USING (model_id);
