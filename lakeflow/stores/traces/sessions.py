"""Sessions: the conversations that traces are part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lakeflow.query.engine.statement import Statement
from lakeflow.schema import TRACES

if TYPE_CHECKING:
    from lakeflow.stores.reader import Reader


class Session(NamedTuple):
    """A session.

    Attributes:
        session_id: Its id.
        first_ms: Start of its first trace, milliseconds since the Unix epoch.
        last_ms: Start of its last trace, the same.
        first_ids: The traces that began first.
    """

    session_id: str
    first_ms: int
    last_ms: int
    first_ids: list[str]


def sessions_that_ended(
    reader: Reader, experiment_id: str, from_ms: int, until_ms: int
) -> list[Session]:
    """Return the sessions whose last trace began within bounds, in the order of that.

    Args:
        reader: What reads the lake.
        experiment_id: The experiment.
        from_ms: Milliseconds since the Unix epoch.
        until_ms: The same; this millisecond is within as well.
    """
    values = {"experiment": experiment_id, "from": int(from_ms), "until": int(until_ms)}
    statement = Statement(
        f"""
        SELECT session_id, first_ms, last_ms, list(trace_id ORDER BY trace_id) AS first_ids
        FROM (
          SELECT session_id, min(request_time) AS first_ms, max(request_time) AS last_ms
          FROM {TRACES.name}
          WHERE experiment_id = $experiment AND session_id IS NOT NULL
          GROUP BY session_id
          HAVING max(request_time) BETWEEN $from AND $until
        ) AS bounds
        JOIN {TRACES.name} AS t USING (session_id)
        WHERE t.experiment_id = $experiment AND t.request_time = first_ms
        GROUP BY ALL ORDER BY last_ms, session_id
        """,  # noqa: S608 - a name of ours
        values,
        (TRACES.name,),
    )
    (found,) = reader.tables([statement], [experiment_id], None)
    return [Session(**row) for row in found.to_pylist()]
