-- One row per event of the control log, in the order in which they were made.
CREATE OR REPLACE VIEW control_events AS
SELECT
    -- The table has it as a text of ten digits, since ids are texts.
    "number"::BIGINT AS "number",
    event_id,
    "time",
    CASE
        WHEN "time" BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz("time" * 1000)
    END AS time_at,
    user_id,
    changes
FROM lakeflow.control_events;
