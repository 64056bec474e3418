SELECT t.run_id,
    t.start_time,
    t.run_id
FROM runs AS t
WHERE t.lifecycle_stage = $p0
    AND t.experiment_id = $p1
    AND (t.run_id IN (SELECT run_id FROM inputs WHERE json_extract_string(tags, '$."mlflow.data.context"') = $p2 AND experiment_id = $p3) AND t.run_id IN (SELECT run_id FROM inputs WHERE name LIKE $p4 AND experiment_id = $p5))
ORDER BY 2 DESC, 3 ASC
LIMIT $p6
-- $p0 = 'active'
-- $p1 = '1'
-- $p2 = 'train'
-- $p3 = '1'
-- $p4 = 'm%'
-- $p5 = '1'
-- $p6 = 100
