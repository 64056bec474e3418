-- One row per event of a span.
CREATE OR REPLACE VIEW span_events AS
SELECT
    experiment_id,
    trace_id,
    span_id,
    "event"."name" AS "name",
    "event".time_ns AS time_ns,
    make_timestamptz("event".time_ns // 1000) AS time_at,
    "event".attributes AS attributes
FROM (
    SELECT
        experiment_id,
        trace_id,
        span_id,
        unnest(
            -- Refused in SQL of users, whose structures may end the process; this one is fixed.
            from_json(
                TRY_CAST(events AS JSON),
                '[{"name": "VARCHAR", "time_ns": "BIGINT", "attributes": "JSON"}]'
            )
        ) AS "event"
    FROM lakeflow.spans
    WHERE events IS NOT NULL
);
