-- One row per link of a span to another one.
CREATE OR REPLACE VIEW span_links AS
SELECT
    experiment_id,
    trace_id,
    span_id,
    link.trace_id AS linked_trace_id,
    link.span_id AS linked_span_id,
    link.trace_state AS trace_state,
    link.attributes AS attributes
FROM (
    SELECT
        experiment_id,
        trace_id,
        span_id,
        unnest(
            from_json(
                TRY_CAST(links AS JSON),
                '[{"trace_id": "VARCHAR", "span_id": "VARCHAR", "trace_state": "VARCHAR",
                   "attributes": "JSON"}]'
            )
        ) AS link
    FROM lakeflow.spans
    WHERE links IS NOT NULL
);
