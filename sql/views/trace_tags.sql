-- One row per tag of a trace.
CREATE OR REPLACE VIEW trace_tags AS
SELECT
    experiment_id,
    trace_id,
    "key",
    "value"
FROM lakeflow.trace_tags;
