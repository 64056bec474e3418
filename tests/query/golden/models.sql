WITH searched AS NOT MATERIALIZED (
SELECT t.model_id AS model_id, k0."value" AS k0_value, t.last_updated_timestamp AS last_updated_timestamp, t.name AS name
FROM registered_models AS t
LEFT JOIN (SELECT model_id, "value" FROM registered_model_tags WHERE "key" = $r0) AS k0 ON k0.model_id = t.model_id
)
SELECT t.model_id,
    CASE WHEN t.last_updated_timestamp IS NULL THEN 1 ELSE 0 END,
    coalesce(t.last_updated_timestamp, 0),
    t.name
FROM searched AS t
WHERE (t.k0_value = $p0 OR t.model_id IN (SELECT model_id FROM registered_model_aliases WHERE alias = $p1))
ORDER BY 2 ASC, 3 DESC, 4 ASC
LIMIT $p2
-- $r0 = 'team'
-- $p0 = 'a'
-- $p1 = 'champion'
-- $p2 = 100
