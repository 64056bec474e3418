SELECT t.run_id,
    t.start_time,
    t.run_id
FROM runs AS t
WHERE t.lifecycle_stage = $p0
    AND t.experiment_id IN ($p1, $p2)
    AND (t.status IN ($p3, $p4) AND t.start_time BETWEEN $p5 AND $p6)
ORDER BY 2 DESC, 3 ASC
LIMIT $p7
-- $p0 = 'active'
-- $p1 = '1'
-- $p2 = '2'
-- $p3 = 'FINISHED'
-- $p4 = 'FAILED'
-- $p5 = 1
-- $p6 = 2
-- $p7 = 100
