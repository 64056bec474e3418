WITH searched AS NOT MATERIALIZED (
SELECT t.run_id AS run_id, t.lifecycle_stage AS lifecycle_stage, t.experiment_id AS experiment_id, t.lifecycle_clock AS lifecycle_clock, t.start_time AS start_time
FROM runs AS t
WHERE t.experiment_id = $r0
)
SELECT t.run_id,
    t.start_time,
    t.run_id
FROM searched AS t
LEFT JOIN (SELECT experiment_id, lifecycle_stage, lifecycle_clock FROM experiments WHERE lifecycle_clock IS NOT NULL) AS o ON o.experiment_id = t.experiment_id
WHERE CASE WHEN o.lifecycle_clock > coalesce(t.lifecycle_clock, 0) THEN o.lifecycle_stage ELSE t.lifecycle_stage END = $p0
    AND (t.run_id IN (SELECT run_id FROM inputs WHERE json_extract_string(tags, '$."mlflow.data.context"') = $p1 AND experiment_id = $p2) AND t.run_id IN (SELECT run_id FROM inputs WHERE name LIKE $p3 AND experiment_id = $p4))
ORDER BY 2 DESC, 3 ASC
LIMIT $p5
-- $r0 = '1'
-- $p0 = 'active'
-- $p1 = 'train'
-- $p2 = '1'
-- $p3 = 'm%'
-- $p4 = '1'
-- $p5 = 100
