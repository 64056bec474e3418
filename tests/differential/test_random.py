"""Random calls, with compactions in between, leave the same in both stores."""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakeflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

EXAMPLES = int(os.environ.get("LAKEFLOW_TEST_EXAMPLES", "25"))

# Most steps succeed, and most batches: one bad element spoils a batch.
good_keys = st.sampled_from(["loss", "val/acc", "a b", "ünï"])
keys = st.sampled_from(["loss", "val/acc", "a b", "ünï"] * 4 + ["a//b", ""])
tag_keys = keys | st.sampled_from(["mlflow.parentRunId", "mlflow.user"])
few = st.sampled_from(["1"] * 5 + ["2"])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | few
names = st.text("abc é/", min_size=1, max_size=8)
numbers = st.floats(allow_infinity=False) | st.sampled_from([0, 1, 2.5, "3"])
good_times = st.integers(0, 3) | st.just(2**47)
values = st.sampled_from([0, 1, 2.5, "3", None, "x"]) | numbers | numbers
times = good_times | good_times | good_times | st.just(-1)
step_numbers = st.integers(-2, 3)
statuses = st.sampled_from(["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED"])

runs = st.integers(0, 3)
experiments = st.integers(0, 2)
good_metrics = st.lists(
    st.builds(Metric, good_keys, numbers, good_times, step_numbers), max_size=5
)
good_params = st.lists(
    st.builds(Param, good_keys, few), max_size=3, unique_by=lambda param: param.key
)
name_tags = st.builds(RunTag, st.just("mlflow.runName"), names)
good_tags = st.lists(st.builds(RunTag, good_keys, texts) | name_tags, max_size=3)
any_metrics = st.lists(st.builds(Metric, keys, values, times, step_numbers), max_size=3)
any_params = st.lists(st.builds(Param, keys, few), max_size=3)
any_tags = st.lists(st.builds(RunTag, keys, texts), max_size=3)
input_tags = st.lists(st.builds(InputTag, keys, few), max_size=2, unique_by=lambda tag: tag.key)
datasets = st.lists(st.tuples(few, few, texts, input_tags), max_size=3)


def call(method, *args):
    return st.tuples(st.just(method), *args)


logging = (
    call("log_metric", runs, keys, values, times, step_numbers)
    | call("log_param", runs, keys, few)
    | call("set_tag", runs, tag_keys, texts)
    | call("set_tag", runs, st.just("mlflow.runName"), names)
    | call("delete_tag", runs, tag_keys | st.just("mlflow.runName"))
    | call("log_batch", runs, good_metrics, good_params, good_tags)
    | call("log_batch", runs, good_metrics, good_params, good_tags)
    | call("log_batch", runs, any_metrics, any_params, any_tags)
    | call("log_inputs", runs, datasets)
)
changing = (
    call("create_run", experiments, times, st.none() | st.dictionaries(few, texts), names)
    | call("update_run", runs, st.none() | statuses, st.none() | names)
    | call("set_terminated", runs, st.none() | statuses, times)
    | call("delete_run", runs)
    | call("restore_run", runs)
)
grouping = (
    call("create_experiment", st.sampled_from(["a", "b", "Default", "", None]))
    | call("delete_experiment", experiments)
    | call("restore_experiment", experiments)
    | call("rename_experiment", experiments)
    | call("set_experiment_tag", experiments, keys, texts)
)
reading = (
    call("get_run", runs)
    | call("get_parent_run", runs)
    | call("get_metric_history", runs, keys)
    | call("compact")
)
steps = logging | logging | logging | changing | changing | grouping | reading


def at_its_own_time(metric, number):
    """Give a point a moment of its own: MLflow breaks ties by value, and keeps equal ones once."""
    if metric.timestamp == -1:
        return metric
    return Metric(metric.key, metric.value, metric.timestamp + 10 * number, metric.step)


def arguments(method, args, number, count):
    """Return what a step stands for: the run or experiment it names by a number, and so on."""
    if method == "create_experiment":
        return args
    which, *rest = args
    if method in {"create_run", "get_experiment"} or "experiment" in method:
        if method == "rename_experiment":
            rest = [f"renamed {number}"]
        return (str(which), *rest)
    run = f"<run {which % count + 1}>"
    if method == "log_metric":
        metric = at_its_own_time(Metric(*rest), 100 * number)
        return run, metric.key, metric.value, metric.timestamp, metric.step
    if method == "log_batch":
        points = [at_its_own_time(each, 100 * number + i) for i, each in enumerate(rest[0])]
        return run, points, *rest[1:]
    if method == "log_inputs":
        # Of its own run: the same dataset in several runs is looked at elsewhere.
        uses = [
            DatasetInput(Dataset(f"{name} {which % count}", digest, "local", source), tags)
            for name, digest, source, tags in rest[0]
        ]
        return run, uses
    return run, *rest


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(script=st.lists(steps, min_size=10, max_size=60))
def test_random_calls_leave_the_same(new_stores, script):
    both = new_stores()
    both("create_experiment", "first")
    made = 1
    both("create_run", "1")
    for number, (method, *args) in enumerate(script):
        if method == "compact":
            both.compact()
            continue
        both.same(method, *arguments(method, args, number, made))
        made = both.run_count
    both.compare()
