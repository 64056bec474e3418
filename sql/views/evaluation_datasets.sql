-- One row per evaluation dataset, with its tags and the experiments that it is linked to.
CREATE OR REPLACE VIEW evaluation_datasets AS
SELECT
    datasets.dataset_id,
    datasets."name",
    datasets.created_time,
    CASE
        WHEN datasets.created_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(datasets.created_time * 1000)
    END AS created_time_at,
    datasets.last_update_time,
    CASE
        WHEN datasets.last_update_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(datasets.last_update_time * 1000)
    END AS last_update_time_at,
    datasets.created_by,
    datasets.last_updated_by,
    datasets.digest,
    coalesce(tagged.tags, MAP {}) AS tags,
    coalesce(linked.experiment_ids, []) AS experiment_ids
FROM lakeflow.evaluation_datasets AS datasets
LEFT JOIN (
    SELECT
        dataset_id,
        map_from_entries(list({'k': "key", 'v': "value"} ORDER BY "key")) AS tags
    FROM lakeflow.evaluation_dataset_tags
    GROUP BY dataset_id
) AS tagged USING (dataset_id)
LEFT JOIN (
    SELECT
        dataset_id,
        -- Ids are numbers as texts: the longer one is the larger one.
        list(experiment_id ORDER BY length(experiment_id), experiment_id) AS experiment_ids
    FROM lakeflow.evaluation_dataset_experiments
    GROUP BY dataset_id
) AS linked USING (dataset_id);
