-- One row per metadata entry of a trace.
CREATE OR REPLACE VIEW trace_metadata AS
SELECT
    experiment_id,
    trace_id,
    "key",
    "value"
FROM lakeflow.trace_metadata;
