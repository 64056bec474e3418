WITH searched AS NOT MATERIALIZED (
SELECT t.run_id AS run_id, t.lifecycle_stage AS lifecycle_stage, t.experiment_id AS experiment_id, t.lifecycle_clock AS lifecycle_clock, k0."count" AS k0_count, k0."max" AS k0_max, k0."min" AS k0_min, t.start_time AS start_time
FROM runs AS t
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $r0) AS k0 ON k0.run_id = t.run_id
)
SELECT t.run_id,
    CASE WHEN t.k0_min IS NULL THEN 2 WHEN isnan(t.k0_min) THEN 1 ELSE 0 END,
    CASE WHEN isnan(t.k0_min) THEN 0 ELSE coalesce(t.k0_min, 0) END,
    t.start_time,
    t.run_id
FROM searched AS t
LEFT JOIN (SELECT experiment_id, lifecycle_stage, lifecycle_clock FROM experiments WHERE lifecycle_clock IS NOT NULL) AS o ON o.experiment_id = t.experiment_id
WHERE CASE WHEN o.lifecycle_clock > coalesce(t.lifecycle_clock, 0) THEN o.lifecycle_stage ELSE t.lifecycle_stage END = $p0
    AND (t.k0_count > $p1 AND t.k0_max < $p2)
ORDER BY 2 ASC, 3 ASC, 4 DESC, 5 ASC
LIMIT $p3
-- $r0 = 'loss'
-- $p0 = 'active'
-- $p1 = 10
-- $p2 = 2
-- $p3 = 100
