-- One row per trace.
CREATE OR REPLACE VIEW traces AS
SELECT
    trace_id,
    experiment_id,
    "name",
    state,
    request_time,
    CASE
        WHEN request_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(request_time * 1000)
    END AS request_time_at,
    execution_duration,
    run_id,
    session_id,
    user_id,
    client_request_id,
    input_tokens,
    output_tokens,
    cached_tokens,
    total_tokens,
    cache_creation_tokens,
    input_cost,
    output_cost,
    total_cost,
    span_count,
    request_preview,
    response_preview
FROM lakeflow.traces;
