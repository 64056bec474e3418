WITH searched AS NOT MATERIALIZED (
SELECT t.version_id AS version_id, t.model_id AS model_id, t.version AS version, t.last_updated_timestamp AS last_updated_timestamp
FROM model_versions AS t
)
SELECT t.version_id,
    greatest(t.last_updated_timestamp, owner.renamed_timestamp),
    owner.name,
    t.version
FROM searched AS t
LEFT JOIN registered_models AS owner ON owner.model_id = t.model_id
WHERE (owner.name LIKE $p0 AND NOT ((t.model_id, t.version) NOT IN (SELECT model_id, version FROM registered_model_aliases WHERE alias IS NOT NULL)) AND t.version > $p1)
ORDER BY 2 DESC, 3 ASC, 4 DESC
LIMIT $p2
-- $p0 = 'a%'
-- $p1 = 2
-- $p2 = 100
