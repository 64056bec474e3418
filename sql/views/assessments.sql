-- One row per assessment of a trace or a span. It is valid as long as no other one overrides it.
CREATE OR REPLACE VIEW assessments AS
SELECT
    assessments.experiment_id,
    assessments.trace_id,
    assessment_id,
    span_id,
    run_id,
    "name",
    "kind",
    TRY_CAST("value" AS JSON) AS "value",
    rationale,
    TRY_CAST("error" AS JSON) AS "error",
    source_type,
    source_id,
    create_time,
    CASE
        WHEN create_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(create_time * 1000)
    END AS create_time_at,
    last_update_time,
    CASE
        WHEN last_update_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(last_update_time * 1000)
    END AS last_update_time_at,
    assessments.overrides,
    replaced.overrides IS NULL AS valid,
    TRY_CAST("metadata" AS JSON) AS "metadata"
FROM lakeflow.assessments AS assessments
LEFT JOIN (
    -- Two may override the same one, which would be there twice.
    SELECT DISTINCT trace_id, overrides
    FROM lakeflow.assessments
    WHERE overrides IS NOT NULL
) AS replaced
    ON replaced.trace_id = assessments.trace_id AND replaced.overrides = assessment_id;
