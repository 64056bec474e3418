-- One row per scorer of an experiment: one whose versions were all deleted is none.
CREATE OR REPLACE VIEW scorers AS
SELECT
    scorers.experiment_id,
    scorers.scorer_id,
    scorers."name",
    versions.latest_version,
    scorers.creation_time,
    CASE
        WHEN scorers.creation_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(scorers.creation_time * 1000)
    END AS creation_time_at,
    scorers.sample_rate,
    scorers.filter_string
FROM lakeflow.scorers AS scorers
JOIN (
    SELECT scorer_id, max("version") AS latest_version
    FROM lakeflow.scorer_versions
    GROUP BY scorer_id
) AS versions USING (scorer_id);
