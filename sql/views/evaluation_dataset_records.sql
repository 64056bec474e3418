-- One row per record of an evaluation dataset: what every call said of it, laid over one another.
CREATE OR REPLACE VIEW evaluation_dataset_records AS
SELECT
    dataset_id,
    record_id,
    TRY_CAST(arg_min(inputs, said) AS JSON) AS inputs,
    TRY_CAST(coalesce(arg_max(outputs, said), '{}') AS JSON) AS outputs,
    -- Without any the list is null, and so is this; list_reduce of an empty list is an error.
    list_reduce(
        list(expectations ORDER BY said) FILTER (expectations IS NOT NULL),
        lambda before, after: map_concat(before, after)
    ) AS expectations,
    list_reduce(
        list(tags ORDER BY said) FILTER (tags IS NOT NULL),
        lambda before, after: map_concat(before, after)
    ) AS tags,
    -- The first call says it, also if it says nothing: arg_min would pass over its null.
    arg_min_null(source_type, said) AS source_type,
    arg_min_null(source_id, said) AS source_id,
    TRY_CAST(arg_min_null(source, said) AS JSON) AS source,
    min(given_at) // 1000 AS created_time,
    CASE
        WHEN min(given_at) BETWEEN -62135596800000000 AND 253402300799999999
        THEN make_timestamptz(min(given_at))
    END AS created_time_at,
    max(given_at) // 1000 AS last_update_time,
    CASE
        WHEN max(given_at) BETWEEN -62135596800000000 AND 253402300799999999
        THEN make_timestamptz(max(given_at))
    END AS last_update_time_at,
    arg_min_null(user_id, said) AS created_by,
    arg_max(user_id, said) AS last_updated_by
FROM (
    SELECT
        * EXCLUDE (expectations, tags),
        TRY_CAST(TRY_CAST(expectations AS JSON) AS MAP(VARCHAR, JSON)) AS expectations,
        TRY_CAST(TRY_CAST(tags AS JSON) AS MAP(VARCHAR, VARCHAR)) AS tags,
        {'at': given_at, 'entry': entry} AS said
    FROM lakeflow.evaluation_dataset_records
    -- Rows that were removed.
    WHERE number IS NOT NULL
)
GROUP BY dataset_id, record_id;
