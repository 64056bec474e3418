SELECT t.run_id,
    CASE WHEN k0."value" IS NULL THEN 2 WHEN isnan(k0."value") THEN 1 ELSE 0 END,
    CASE WHEN isnan(k0."value") THEN 0 ELSE coalesce(k0."value", 0) END,
    t.start_time,
    t.run_id
FROM runs AS t
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $p2 AND experiment_id = $p3) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $p5 AND experiment_id = $p6) AS k1 ON k1.run_id = t.run_id
WHERE t.lifecycle_stage = $p0
    AND t.experiment_id = $p1
    AND ((k0."value" > $p4 AND NOT isnan(k0."value")) AND k1."value" = $p7)
ORDER BY 2 ASC, 3 DESC, 4 DESC, 5 ASC
LIMIT $p8
-- $p0 = 'active'
-- $p1 = '1'
-- $p2 = 'acc'
-- $p3 = '1'
-- $p4 = 0.5
-- $p5 = 'lr x'
-- $p6 = '1'
-- $p7 = '0.1'
-- $p8 = 100
