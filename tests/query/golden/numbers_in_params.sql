SELECT t.run_id,
    CASE WHEN k0."value" IS NULL THEN 1 ELSE 0 END,
    coalesce(k0."value", ''),
    t.start_time,
    t.run_id
FROM runs AS t
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $p2 AND experiment_id = $p3) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value" FROM tags WHERE "key" = $p5 AND experiment_id = $p6) AS k1 ON k1.run_id = t.run_id
WHERE t.lifecycle_stage = $p0
    AND t.experiment_id = $p1
    AND ((TRY_CAST(k0."value" AS DOUBLE) >= $p4 AND NOT isnan(TRY_CAST(k0."value" AS DOUBLE))) AND TRY_CAST(k1."value" AS DOUBLE) != $p7)
ORDER BY 2 ASC, 3 ASC, 4 DESC, 5 ASC
LIMIT $p8
-- $p0 = 'active'
-- $p1 = '1'
-- $p2 = 'lr'
-- $p3 = '1'
-- $p4 = 0.01
-- $p5 = 'n'
-- $p6 = '1'
-- $p7 = 3
-- $p8 = 100
