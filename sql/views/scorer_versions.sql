-- One row per version of a scorer.
CREATE OR REPLACE VIEW scorer_versions AS
SELECT
    versions.experiment_id,
    versions.scorer_id,
    scorers."name",
    versions."version",
    TRY_CAST(versions.serialized_scorer AS JSON) AS serialized_scorer,
    versions.creation_time,
    CASE
        WHEN versions.creation_time BETWEEN -62135596800000 AND 253402300799999
        THEN make_timestamptz(versions.creation_time * 1000)
    END AS creation_time_at
FROM lakeflow.scorer_versions AS versions
INNER JOIN lakeflow.scorers AS scorers USING (scorer_id);
