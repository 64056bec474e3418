WITH searched AS NOT MATERIALIZED (
SELECT t.run_id AS run_id, t.lifecycle_stage AS lifecycle_stage, t.experiment_id AS experiment_id, t.lifecycle_clock AS lifecycle_clock, k0."value" AS k0_value, k1."value" AS k1_value, t.start_time AS start_time
FROM runs AS t
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $r0 AND experiment_id = $r1) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $r2 AND experiment_id = $r3) AS k1 ON k1.run_id = t.run_id
WHERE t.experiment_id = $r4
)
SELECT t.run_id,
    CASE WHEN t.k0_value IS NULL THEN 2 WHEN isnan(t.k0_value) THEN 1 ELSE 0 END,
    CASE WHEN isnan(t.k0_value) THEN 0 ELSE coalesce(t.k0_value, 0) END,
    t.start_time,
    t.run_id
FROM searched AS t
LEFT JOIN (SELECT experiment_id, lifecycle_stage, lifecycle_clock FROM experiments WHERE lifecycle_clock IS NOT NULL) AS o ON o.experiment_id = t.experiment_id
WHERE CASE WHEN o.lifecycle_clock > coalesce(t.lifecycle_clock, 0) THEN o.lifecycle_stage ELSE t.lifecycle_stage END = $p0
    AND ((t.k0_value > $p1 AND NOT isnan(t.k0_value)) AND t.k1_value = $p2)
ORDER BY 2 ASC, 3 DESC, 4 DESC, 5 ASC
LIMIT $p3
-- $r0 = 'acc'
-- $r1 = '1'
-- $r2 = 'lr x'
-- $r3 = '1'
-- $r4 = '1'
-- $p0 = 'active'
-- $p1 = 0.5
-- $p2 = '0.1'
-- $p3 = 100
