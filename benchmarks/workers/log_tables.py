"""Tables of many runs: logs them, loads them as one frame, and adds rows to a long one."""

import time

from library import client_of, parse, report

options = parse(runs=500, rows=20, long=100_000)
# Which MLflow's client reads tables by, whatever store it is of.
__import__(options.library).set_tracking_uri(options.uri)
client = client_of(options)
client.search_experiments()


def questions(count):
    return {
        "question": [f"what is {number}?" for number in range(count)],
        "answer": ["a number"] * count,
        "score": [number / count for number in range(count)],
    }


def timed(call, times):
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]


runs = [client.create_run("0").info.run_id for _ in range(options.runs)]
began = time.perf_counter()
for run in runs:
    client.log_table(run, questions(options.rows), "qa.json")
logged = (time.perf_counter() - began) / options.runs
extra = ["run_id", "start_time"]
assert (
    len(client.load_table("0", "qa.json", extra_columns=extra)) == options.runs * options.rows
)
client.log_table(runs[0], questions(options.long), "long.json")
report(
    {
        "log_table": logged,
        "load_table": timed(lambda: client.load_table("0", "qa.json", extra_columns=extra), 3),
        "a row more": timed(lambda: client.log_table(runs[0], questions(1), "long.json"), 5),
    }
)
