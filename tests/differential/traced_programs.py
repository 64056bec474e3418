"""Programs that trace something; as a script, what traces they leave, in plain JSON."""

import asyncio
import dataclasses
import datetime
import importlib
import json
import sys

PROGRAMS = {}


def program(function):
    """Note a program by its name; it takes the package and gives ids of traces, or answers."""
    PROGRAMS[function.__name__] = function
    return function


class Odd:
    """What JSON does not have."""

    def __str__(self):
        return "odd"


@dataclasses.dataclass
class Point:
    """A data class."""

    x: int
    y: float


@program
def nested(mlflow):
    @mlflow.trace
    def outer(x, y=2):
        return inner(x) + y

    @mlflow.trace(name="within", span_type="TOOL", attributes={"a": 1, "b": [1, "é"]})
    def inner(x):
        return x * 2

    outer(3)


@program
def names_that_are_equal(mlflow):
    @mlflow.trace
    def step(n):
        return n and step(n - 1)

    with mlflow.start_span("root"):
        step(2)
        with mlflow.start_span("other"):
            pass


@program
def an_exception(mlflow):
    @mlflow.trace
    def fails(x):
        raise ValueError(f"no {x}")

    @mlflow.trace
    def catches():
        try:
            fails(1)
        except ValueError:
            return "caught"

    catches()


@program
def an_exception_of_the_root(mlflow):
    try:
        with mlflow.start_span("root") as span:
            span.set_inputs("in")
            raise KeyError("k")
    except KeyError:
        pass


@program
def values(mlflow):
    with mlflow.start_span("root", attributes={"none": None, "float": 1.0}) as span:
        span.set_inputs({"odd": Odd(), "at": datetime.date(2026, 1, 2), 1: (1, 2)})
        span.set_outputs([Point(1, 2.0), True, None, float("nan"), float("-inf"), "é\x00\n"])
        span.set_attributes({"deep": {"a": [{"b": [1.5]}]}, "type": int})


@program
def what_changes_later(mlflow):
    with mlflow.start_span("root") as span:
        things = [1]
        span.set_inputs(things)
        things.append(2)
        span.set_outputs({"things": things})
        things.append(3)


@program
def long_values(mlflow):
    with mlflow.start_span("root") as span:
        span.set_inputs({"text": "é" * 300})
        span.set_outputs("x" * 248)


@program
def arguments(mlflow):
    class Thing:
        @mlflow.trace
        def method(self, a, *rest, b=1, **others):
            return None

    Thing().method(1, 2, 3, c=4)


@program
def no_values(mlflow):
    with mlflow.start_span():
        pass


@program
def asynchronous(mlflow):
    @mlflow.trace
    async def outer(x):
        return await asyncio.gather(inner(x), inner(x + 1))

    @mlflow.trace
    async def inner(x):
        await asyncio.sleep(0)
        return x

    asyncio.run(outer(1))


@program
def tags_of_the_active_trace(mlflow):
    with mlflow.start_span("root"):
        mlflow.update_current_trace(tags={"fruit": "apple", "n": "1"})


@program
def statuses(mlflow):
    from_status = mlflow.entities.SpanStatus
    with mlflow.start_span("root") as root:
        with mlflow.start_span("error") as span:
            span.set_status(from_status("ERROR", "why"))
        with mlflow.start_span("ok") as span:
            span.set_status("OK")
            span.set_status("ERROR")
        root.set_status("ERROR")


@program
def of_the_client(mlflow):
    client = mlflow.MlflowClient()
    root = client.start_trace(
        "root", "CHAIN", {"q": 1}, {"a": 1, "b": 2}, {"t": "1", "mlflow.user": "u"}
    )
    child = client.start_span("child", root.request_id, root.span_id, inputs=[1])
    client.set_trace_tag(root.request_id, "while", 1)
    client.set_trace_tag(root.request_id, "gone", 1)
    client.delete_trace_tag(root.request_id, "gone")
    client.end_span(root.request_id, child.span_id, {"o": 0}, {"c": 3}, "ERROR")
    client.end_trace(root.request_id, outputs=0, attributes={"b": 3})
    client.set_trace_tag(root.request_id, "after", 2)


@program
def a_child_that_is_open(mlflow):
    client = mlflow.MlflowClient()
    root = client.start_trace("root")
    client.start_span("child", root.request_id, root.span_id)
    client.end_trace(root.request_id, status=mlflow.entities.SpanStatus("ERROR", "why"))


@program
def times_that_are_given(mlflow):
    client = mlflow.MlflowClient()
    root = client.start_trace("root", start_time_ns=1_700_000_000_000_000_123)
    child = client.start_span(
        "child", root.request_id, root.span_id, start_time_ns=1_700_000_000_001_000_000
    )
    client.end_span(root.request_id, child.span_id, end_time_ns=1_700_000_000_002_000_000)
    client.end_trace(root.request_id, end_time_ns=1_700_000_000_005_999_999)
    info = client.get_trace(root.request_id).info
    return [info.timestamp_ms, info.execution_time_ms]


@program
def client_within_fluent(mlflow):
    client = mlflow.MlflowClient()
    with mlflow.start_span("root") as root:
        child = client.start_span("child", root.request_id, root.span_id)
        assert mlflow.get_current_active_span().span_id == root.span_id
        client.end_span(root.request_id, child.span_id)


@program
def another_trace_within(mlflow):
    client = mlflow.MlflowClient()
    root = client.start_trace("far", inputs=0)
    child = client.start_span("child", root.request_id, root.span_id, inputs={"a": 1})
    client.end_span(root.request_id, child.span_id, 2, status="ERROR")
    client.end_trace(root.request_id, outputs=1)
    far = client.get_trace(root.request_id)
    with mlflow.start_span("near"):
        mlflow.add_trace(far)


@program
def another_trace_alone(mlflow):
    with mlflow.start_span("far") as span:
        span.set_inputs({"a": 1})
        span.set_outputs("b")
    mlflow.add_trace(mlflow.get_last_active_trace().to_dict())


@program
def beside_a_run(mlflow):
    experiment = mlflow.create_experiment("other")
    with mlflow.start_run(experiment_id=experiment) as run, mlflow.start_span("root") as span:
        pass
    client = mlflow.MlflowClient()
    info = client.get_trace(span.request_id).info
    found = client.search_traces([experiment], run_id=run.info.run_id)
    return [
        info.experiment_id == experiment,
        info.request_metadata["mlflow.sourceRun"] == run.info.run_id,
        [trace.info.request_id for trace in found] == [span.request_id],
    ]


@program
def turned_off(mlflow):
    mlflow.tracing.disable()
    with mlflow.start_span("root") as span:
        span.set_inputs(1)
    root = mlflow.MlflowClient().start_trace("root")
    mlflow.tracing.enable()
    client = mlflow.MlflowClient()
    child = client.start_span("child", root.request_id, "1")
    return [
        span.request_id,
        root.request_id,
        child.request_id,
        client.end_span(root.request_id, "1"),
        client.end_trace(root.request_id),
        [root.span_id, root.name, root.status, root.inputs, root.parent_id],
    ]


@program
def searches(mlflow):
    experiment = mlflow.create_experiment("searched")
    client = mlflow.MlflowClient()
    for n in range(5):
        root = client.start_trace(
            f"t{n}", tags={"n": str(n)}, experiment_id=experiment, start_time_ns=(n + 1) * 10**9
        )
        client.end_trace(root.request_id, status="ERROR" if n == 3 else "OK")
    client.start_trace("open", experiment_id=experiment)

    def names(*args, **kwargs):
        found = client.search_traces([experiment], *args, **kwargs)
        return [trace.info.tags["mlflow.traceName"] for trace in found]

    page = client.search_traces([experiment], max_results=2)
    rest = client.search_traces([experiment], max_results=10, page_token=page.token)
    return [
        names(),
        names("status = 'ERROR'"),
        names("name = 't1'"),
        names("tags.n = '4' AND timestamp_ms > 1000"),
        names(order_by=["timestamp_ms ASC"]),
        names("timestamp_ms <= 2000", order_by=["timestamp_ms"]),
        [len(page), len(rest)],
        client.delete_traces(experiment, max_timestamp_millis=3000, max_traces=2),
        names(),
        client.delete_traces(experiment, max_timestamp_millis=3000),
        names(),
    ]


def refusal(call, *args, **kwargs):
    """Return the code with which a call is refused."""
    try:
        call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - each package has errors of its own
        return getattr(error, "error_code", type(error).__name__)
    return None


@program
def refusals(mlflow):
    client = mlflow.MlflowClient()
    root = client.start_trace("root")
    begun, span = root.request_id, root.span_id
    found = {
        "get": refusal(client.get_trace, "tr-" + "0" * 32),
        "get begun": refusal(client.get_trace, begun),
        "start span without parent": refusal(client.start_span, "s", begun, None),
        "start span without either": refusal(client.start_span, "s", None, None),
        "start span without trace": refusal(client.start_span, "s", None, span),
        "start span in none": refusal(client.start_span, "s", "tr-none", span),
        "start span of stranger": refusal(client.start_span, "s", begun, "none"),
        "end span of stranger": refusal(client.end_span, begun, "none"),
        "end span in none": refusal(client.end_span, "tr-none", span),
        "end with a status": refusal(client.end_span, begun, span, status="GOOD"),
        "reserved tag": refusal(client.set_trace_tag, begun, "mlflow.x", 1),
        "reserved tag of none": refusal(client.set_trace_tag, "tr-none", "mlflow.x", 1),
        "missing tag of active": refusal(client.delete_trace_tag, begun, "none"),
        "twice": [refusal(client.end_trace, begun), refusal(client.end_trace, begun)],
        "end none": refusal(client.end_trace, "tr-none"),
        "end span after": refusal(client.end_span, begun, span),
        "start span after": refusal(client.start_span, "s", begun, span),
        "missing tag": refusal(client.delete_trace_tag, begun, "none"),
        "tag of none": refusal(client.set_trace_tag, "tr-none", "k", 1),
        "delete nothing": refusal(client.delete_traces, "0"),
        "delete both": refusal(client.delete_traces, "0", 5, None, ["a"]),
        "delete some": refusal(client.delete_traces, "0", None, 5, ["a"]),
        "delete none": refusal(client.delete_traces, "0", 5, 0),
        "run twice": refusal(
            client.search_traces, ["0"], "metadata.mlflow.sourceRun = 'r'", run_id="r"
        ),
        "filter": refusal(client.search_traces, ["0"], "nothing = 1"),
    }
    with mlflow.start_span("active"):
        found["start in active"] = refusal(client.start_trace, "root")
    strange = client.start_trace("root", experiment_id="4711")
    return {**found, "in no experiment": strange.request_id}


def main(package, uri):
    """Run all programs with one package."""
    mlflow = importlib.import_module(package)
    importlib.import_module(f"{package}.entities")
    mlflow.set_tracking_uri(uri)
    client = mlflow.MlflowClient()
    answers = {}
    for name, run in PROGRAMS.items():
        experiment = mlflow.create_experiment(f"of {name}")
        mlflow.set_experiment(experiment_id=experiment)
        answer = run(mlflow)
        found = client.search_traces([experiment], order_by=["timestamp_ms ASC"])
        answers[name] = [answer, [json.loads(trace.to_json()) for trace in found]]
    print(json.dumps(answers))


if __name__ == "__main__":
    main(*sys.argv[1:])
