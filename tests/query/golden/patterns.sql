SELECT t.run_id,
    t.start_time,
    t.run_id
FROM runs AS t
LEFT JOIN (SELECT run_id, "value" FROM tags WHERE "key" = $p1) AS k0 ON k0.run_id = t.run_id
LEFT JOIN (SELECT run_id, "value" FROM params WHERE "key" = $p3) AS k1 ON k1.run_id = t.run_id
WHERE t.lifecycle_stage = $p0
    AND (regexp_matches(k0."value", $p2) AND NOT (k1."value" LIKE $p4) AND t.run_name ILIKE $p5)
ORDER BY 2 DESC, 3 ASC
LIMIT $p6
-- $p0 = 'active'
-- $p1 = 'x'
-- $p2 = 'a+'
-- $p3 = 'y'
-- $p4 = 'b%'
-- $p5 = 'C'
-- $p6 = 100
