-- One row per change of the model registry, in the order in which they were made.
CREATE OR REPLACE VIEW registry_events AS
SELECT
    event_id,
    model_id,
    "name",
    "version",
    "time",
    make_timestamptz("time" * 1000) AS time_at,
    user_id,
    "action",
    "key",
    "before",
    "after"
FROM lakeflow.registry_events;
