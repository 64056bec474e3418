-- One row per version of a prompt that a trace has used.
CREATE OR REPLACE VIEW trace_prompts AS
SELECT
    experiment_id,
    trace_id,
    prompt,
    linked_time,
    CASE
        WHEN linked_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(linked_time * 1000)
    END AS linked_time_at
FROM lakeflow.trace_prompts;
