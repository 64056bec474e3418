SELECT t.run_id,
    CASE WHEN k0."min" IS NULL THEN 2 WHEN isnan(k0."min") THEN 1 ELSE 0 END,
    CASE WHEN isnan(k0."min") THEN 0 ELSE coalesce(k0."min", 0) END,
    t.start_time,
    t.run_id
FROM runs AS t
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $p1) AS k0 ON k0.run_id = t.run_id
WHERE t.lifecycle_stage = $p0
    AND (k0."count" > $p2 AND k0."max" < $p3)
ORDER BY 2 ASC, 3 ASC, 4 DESC, 5 ASC
LIMIT $p4
-- $p0 = 'active'
-- $p1 = 'loss'
-- $p2 = 10
-- $p3 = 2
-- $p4 = 100
