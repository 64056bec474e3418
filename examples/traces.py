"""Trace an agent that answers customers, in three versions, and ask about it in SQL.

python examples/traces.py [--lake DIR] [--questions N]
"""

# /// script
# requires-python = ">=3.11"
# dependencies = ["lakeflow[rich]"]
#
# [tool.uv.sources]
# lakeflow = { path = ".." }
# ///

from __future__ import annotations

import argparse
import contextlib
import random
import time
from dataclasses import dataclass
from typing import Any

import lakeflow as mlflow
from lakeflow.entities import AssessmentSource, SpanType

DOCUMENTS = {
    "refund": "A refund takes five days after the parcel is back.",
    "delivery": "A delivery takes two days, to islands four.",
    "invoice": "The invoice is in your account, below the order.",
    "size": "An article is changed for another size for free.",
}

# Dollars for a million tokens, as a contract says: no list of prices is right for long.
PRICES = {
    "model": ["small-1", "small-2", "large-1"],
    "input_price": [0.15, 0.10, 2.50],
    "output_price": [0.60, 0.40, 10.00],
}

SLOWEST_SPANS = """
    SELECT name, span_type, count(*) AS spans,
        round(quantile_cont(duration_ms, 0.5), 2) AS p50_ms,
        round(quantile_cont(duration_ms, 0.95), 2) AS p95_ms,
        count(*) FILTER (status = 'ERROR') AS errors
    FROM spans WHERE experiment_id = $experiment
    GROUP BY ALL ORDER BY p95_ms DESC, name
"""

COSTS = """
    SELECT response_model AS model, count(*) AS calls,
        sum(input_tokens) AS tokens_in, sum(output_tokens) AS tokens_out,
        round(sum(input_tokens * input_price + output_tokens * output_price) / 1e6, 4)
            AS dollars
    FROM spans LEFT JOIN prices ON prices.model = response_model
    WHERE experiment_id = $experiment AND span_type = 'LLM'
    GROUP BY ALL ORDER BY dollars DESC
"""

RETRIEVERS = """
    SELECT run_name, params['k']::INTEGER AS k, params['index'] AS index,
        round(max(duration_ms), 2) AS slowest_ms, count(*) AS searches
    FROM spans JOIN traces USING (trace_id) JOIN runs_wide ON runs_wide.run_id = traces.run_id
    WHERE spans.experiment_id = $experiment AND span_type = 'RETRIEVER'
    GROUP BY ALL ORDER BY slowest_ms DESC
"""

SESSIONS = """
    SELECT user_id, count(DISTINCT session_id) AS sessions, count(*) AS questions,
        sum(total_tokens) AS tokens,
        count(*) FILTER (state = 'ERROR') AS failed
    FROM traces WHERE experiment_id = $experiment
    GROUP BY ALL ORDER BY questions DESC, user_id
"""

OPINIONS = """
    SELECT response_model AS model, count(*) AS ratings,
        round(avg((value = 'true')::INTEGER), 2) AS helpful
    FROM assessments JOIN spans USING (trace_id)
    WHERE assessments.experiment_id = $experiment AND assessments.name = 'helpful'
        AND valid AND spans.name = 'answer'
    GROUP BY ALL ORDER BY model
"""


@dataclass(frozen=True)
class Version:
    """A version of the agent.

    Attributes:
        model: Model that answers.
        k: Documents that it is given.
        index: How these are found.
    """

    model: str
    k: int
    index: str


VERSIONS = (
    Version("small-1", 2, "flat"),
    Version("small-2", 4, "flat"),
    Version("large-1", 4, "graph"),
)


class Agent:
    """Answers questions of customers: each call is a trace.

    Args:
        version: Which one it is.
        numbers: What makes one answer unlike another.
    """

    def __init__(self, version: Version, numbers: random.Random) -> None:
        self._version = version
        self._numbers = numbers

    @mlflow.trace(span_type=SpanType.AGENT)
    def answer_customer(self, question: str, user: str, session: str) -> str:
        """Answer one question of a user."""
        mlflow.update_current_trace(
            tags={"model": self._version.model}, user=user, session_id=session
        )
        topic = self.think("plan", f"What is it about? {question}")
        try:
            found = self.retrieve(topic)
        except TimeoutError:
            # The span of the retriever has the exception; the answer comes without documents.
            found = []
        if "order" in question:
            found.append(self.look_up_order(number=self._numbers.randrange(10_000, 99_999)))
        return self.think("answer", f"{question} {' '.join(found)}")

    @mlflow.trace(name="retriever", span_type=SpanType.RETRIEVER)
    def retrieve(self, query: str) -> list[str]:
        """Return documents about a topic."""
        self._work(3 if self._version.index == "flat" else 1, self._version.k)
        if self._numbers.random() < 0.05:
            raise TimeoutError(f"no answer from the index {self._version.index!r}")
        return [text for word, text in DOCUMENTS.items() if word in query][: self._version.k]

    @mlflow.trace(span_type=SpanType.TOOL, attributes={"gen_ai.tool.name": "orders"})
    def look_up_order(self, number: int) -> str:
        """Return what is known of an order."""
        self._work(1, 1)
        if self._numbers.random() < 0.05:
            raise LookupError(f"there is no order {number}")
        return f"Order {number} was sent on Monday."

    def think(self, name: str, prompt: str) -> str:
        """Ask the model; here nobody does, but the span is what one of a model has."""
        version = self._version
        with mlflow.start_span(name, span_type=SpanType.LLM) as span:
            span.set_inputs({"messages": [{"role": "user", "content": prompt}]})
            self._work(2 if version.model.startswith("small") else 4, 1)
            text = f"As for that: {prompt}"
            span.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "example",
                    "gen_ai.request.model": version.model,
                    "gen_ai.response.model": version.model,
                    "gen_ai.usage.input_tokens": 40 * version.k + len(prompt.split()),
                    "gen_ai.usage.output_tokens": len(text.split()),
                    "gen_ai.response.finish_reasons": ["stop"],
                }
            )
            span.set_outputs(text)
        return text

    def _work(self, mean_ms: float, times: int) -> None:
        time.sleep(sum(self._numbers.expovariate(1 / mean_ms) for _ in range(times)) / 2_000)


def serve(version: Version, questions: int, seed: int) -> None:
    """Answer questions in a run that has the params of a version, and have some rated."""
    numbers = random.Random(seed)
    agent = Agent(version, numbers)
    with mlflow.start_run(run_name=f"{version.model}, {version.index}"):
        mlflow.log_params({"model": version.model, "k": version.k, "index": version.index})
        for number in range(questions):
            topic = numbers.choice([*DOCUMENTS, "order"])
            user = f"user-{numbers.randrange(6)}"
            session = f"{user}-{version.model}-{number // 8}"
            # An order that is not there fails the trace, and the next customer comes.
            with contextlib.suppress(LookupError):
                agent.answer_customer(f"I have a question about my {topic}.", user, session)
            if number % 4 == 0:
                rate(version, numbers)


def rate(version: Version, numbers: random.Random) -> None:
    """Say whether the last answer was helpful, as its reader would."""
    trace_id = mlflow.get_last_active_trace_id()
    assert trace_id is not None
    mlflow.log_feedback(
        trace_id=trace_id,
        name="helpful",
        value=numbers.random() < (0.9 if version.model == "large-1" else 0.6),
        source=AssessmentSource("HUMAN", "survey"),
    )


def show(title: str, query: str, experiment_id: str, **tables: Any) -> None:
    """Print what a statement finds."""
    rows = mlflow.sql(query, {"experiment": experiment_id}, tables=tables, output_format="list")
    print(f"\n{title}")
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(len(str(line[place])) for line in lines) for place in range(len(lines[0]))]
    for line in lines:
        cells = (f"{each!s:<{width}}" for each, width in zip(line, widths, strict=True))
        print(f"  {'  '.join(cells).rstrip()}")


def main() -> None:
    """Answer questions, then ask about the answers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lake", default="demo-lake", metavar="DIR")
    parser.add_argument("--questions", default=40, type=int, metavar="N", help="of a version")
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.lake)
    experiment_id = mlflow.set_experiment("support agent").experiment_id

    for seed, version in enumerate(VERSIONS):
        serve(version, options.questions, seed)
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_last_active_trace()
    print(f"The last of {options.questions * len(VERSIONS)} traces\n\n{trace}")

    show("How long does what take?", SLOWEST_SPANS, experiment_id)
    show("What does each model cost?", COSTS, experiment_id, prices=PRICES)
    show("Which retriever is slow, and how was it set?", RETRIEVERS, experiment_id)
    show("Who asks, in how many sessions?", SESSIONS, experiment_id)
    show("Which answers help?", OPINIONS, experiment_id)

    failed = mlflow.search_traces(
        [experiment_id],
        "span.name = 'retriever' AND span.status = 'ERROR'",
        return_type="list",
    )
    print(f"\n{len(failed)} answers came without documents, since the retriever failed")


if __name__ == "__main__":
    main()
