"""The shortest program that tracks something: one run with one metric."""

from library import parse

options = parse()
lakeflow = __import__(options.library)
lakeflow.set_tracking_uri(options.uri)
with lakeflow.start_run():
    lakeflow.log_metric("loss", 0.5)
