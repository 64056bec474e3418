SELECT t.run_id,
    t.start_time,
    t.run_id
FROM runs AS t
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $p1) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value", "min", "max", "count" FROM latest_metrics WHERE "key" = $p2) AS k1 ON k1.run_id = t.run_id
WHERE t.lifecycle_stage = $p0
    AND NOT ((k0."value" IS NULL OR k1."min" < $p3))
ORDER BY 2 DESC, 3 ASC
LIMIT $p4
-- $p0 = 'active'
-- $p1 = 'a'
-- $p2 = 'loss'
-- $p3 = -0.1
-- $p4 = 100
