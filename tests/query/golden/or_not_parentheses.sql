WITH searched AS NOT MATERIALIZED (
SELECT t.run_id AS run_id, t.lifecycle_stage AS lifecycle_stage, k0."value" AS k0_value, k1."min" AS k1_min, t.start_time AS start_time
FROM runs AS t
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $r0) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $r1) AS k1 ON k1.run_id = t.run_id
)
SELECT t.run_id,
    t.start_time,
    t.run_id
FROM searched AS t
WHERE t.lifecycle_stage = $p0
    AND NOT ((t.k0_value IS NULL OR t.k1_min < $p1))
ORDER BY 2 DESC, 3 ASC
LIMIT $p2
-- $r0 = 'a'
-- $r1 = 'loss'
-- $p0 = 'active'
-- $p1 = -0.1
-- $p2 = 100
