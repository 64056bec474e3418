"""Calls on MLflow's client in plain JSON; as a script, a server of them for MLflow itself."""

import datetime
import hashlib
import json
import math
import os
import pathlib
import re
import shutil
import sys
import tempfile
import time

GENERATED_NAME = re.compile(r"[a-z]+-[a-z]+-\d+")
UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
HOUR_MS = 3_600_000
LISTS = {"search_registered_models", "search_model_versions", "get_latest_versions"}

CELLS = {
    "DataFrame": lambda frame: [[name, encode(frame[name].tolist())] for name in frame],
    "Image": lambda image: [list(image.size), image.tobytes().hex()],
    "datetime": lambda time: time.isoformat(),
}
"""What is logged in tables, and tables themselves."""


def encode(value):
    """Return an argument as JSON can hold it; entities by the name of their class."""
    kind = type(value).__name__
    if isinstance(value, float) and not math.isfinite(value) and type(value) is float:
        return {"is": "float", "of": repr(value)}
    if type(value) in {type(None), bool, int, float, str}:
        return value
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    if isinstance(value, dict):
        return {"is": "dict", "of": [[encode(k), encode(v)] for k, v in value.items()]}
    if type(value).__module__ == "PIL.Image":
        pixels = list(value.tobytes())
        return {"is": "pillow", "of": [value.mode, list(value.size), pixels]}
    if type(value).__module__ == "numpy":
        return {"is": "numpy", "dtype": str(value.dtype), "of": encode(value.tolist())}
    if kind in CELLS:
        return {"is": kind, "of": CELLS[kind](value)}
    # The older MLflow knows no points of models.
    names = value.__slots__[:4] if kind == "Metric" else value.__slots__
    return {"is": kind, "of": encode([getattr(value, name) for name in names])}


def text_of(answer):
    """Return an answer as text that does not depend on the order of keys."""
    return json.dumps(answer, sort_keys=True)


class Side:
    """One client whose answers can be compared with those of another one.

    Runs are called ``<run 1>``, ``<run 2>``, ... in the order in which they were made.
    """

    def __init__(self, client, entities, places):
        self._client = client
        self._entities = entities
        self._places = places
        self.run_ids = []

    def ask(self, method, args, kwargs):
        """Return the answer of a method: its value, or its error with code and message."""
        try:
            if method in {"walk", "contents", "content", "pictures", "steps"}:
                return {"value": getattr(self, f"_{method}")(*args, **kwargs)}
            given = self._decode(args)
            options = {name: self._decode(value) for name, value in kwargs.items()}
            value = getattr(self._client, method)(*given, **options)
            if method == "create_run":
                self.run_ids.append(value.info.run_id)
            if method in LISTS:
                return {"value": self._listed(method, value)}
            return {"value": self._plain(value)}
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            code = getattr(error, "error_code", type(error).__name__)
            return {"error": code, "message": str(error)}

    def _walk(self, method, size, kwargs):
        """Return every page of a search, the names of what is on it in order."""
        pages, token = [], None
        options = self._decode(kwargs)
        while True:
            found = getattr(self._client, method)(**options, max_results=size, page_token=token)
            # MLflow may say that there is more where there is nothing.
            pages += [[self._without_ids(_identity(each)) for each in found]] if found else []
            token = found.token
            if not token:
                return {"pages": json.dumps(pages)}

    def _listed(self, method, found):
        """Return models or versions, in order where there is one."""
        if method == "get_latest_versions":
            found = sorted(found, key=lambda version: version.version)
        places = {f"place {place}": self._plain(each) for place, each in enumerate(found)}
        for each in places.values():
            # MLflow leaves them out where there are several versions.
            each.pop("aliases of version", None)
        return {"more": bool(getattr(found, "token", None)), **places}

    def _steps(self, run):
        """Return what is in each file of a run's images, whose names have a random end."""
        import PIL.Image

        run_id = self._decode(run)
        folder = self._client.get_run(run_id).info.artifact_uri.removeprefix("file://")
        found = {}
        for each in self._client.list_artifacts(run_id, "images"):
            with PIL.Image.open(os.path.join(folder, each.path)) as image:
                pixels = image.tobytes() if image.format == "PNG" else b""
                small = image.convert("RGBA").resize((16, 16)).tobytes()
                found[UUID.sub("<uuid>", each.path)] = {
                    "kind": [image.format, image.mode, *image.size],
                    "pixels": hashlib.sha256(pixels).hexdigest(),
                    "small": list(small),
                }
        return found

    def _contents(self, run):
        """Return the text of every artifact of a run by its path."""
        with tempfile.TemporaryDirectory() as folder:
            self._client.download_artifacts(self._decode(run), "", folder)
            return {
                os.path.relpath(path, folder): path.read_bytes().decode("latin-1")
                for path in pathlib.Path(folder).rglob("*")
                if path.is_file()
            }

    def _content(self, run, path):
        """Return what the JSON of an artifact says."""
        local = self._client.download_artifacts(self._decode(run), path)
        with open(local) as file:
            return {"text": json.dumps(json.load(file))}

    def _pictures(self, run, folder):
        """Return the names and the pixels of the images in a folder, but what is random."""
        import PIL.Image

        run, found = self._decode(run), []
        for each in self._client.list_artifacts(run, folder):
            name, end = os.path.splitext(os.path.basename(each.path))
            with PIL.Image.open(self._client.download_artifacts(run, each.path)) as image:
                pixels = image.tobytes().hex() if end == ".png" else ""
                found.append([len(name), end, list(image.size), pixels])
        return {"pictures": json.dumps(sorted(found))}

    def _decode(self, value):
        if isinstance(value, list):
            return [self._decode(each) for each in value]
        if isinstance(value, str):
            for number, run_id in enumerate(self.run_ids, 1):
                value = value.replace(f"<run {number}>", run_id)
            return value
        if isinstance(value, dict):
            return self._decode_object(value)
        return value

    def _decode_object(self, value):
        kind, content = value["is"], self._decode(value["of"])
        if kind == "float":
            return float(content)
        if kind == "dict":
            return dict(content)
        if kind == "pillow":
            import PIL.Image

            mode, size, pixels = content
            return PIL.Image.frombytes(mode, tuple(size), bytes(pixels))
        if kind == "numpy":
            import numpy as np

            array = np.array(content, dtype=value["dtype"])
            return array if isinstance(content, list) else array[()]
        if kind == "DataFrame":
            import pandas as pd

            return pd.DataFrame(dict(content))
        if kind == "datetime":
            return datetime.datetime.fromisoformat(content)
        if kind == "Image":
            import PIL.Image

            return PIL.Image.frombytes("RGB", tuple(content[0]), bytes.fromhex(content[1]))
        return getattr(self._entities, kind)(*content)

    def _plain(self, value):
        """Return a result without what must differ: ids, places and the present time."""
        kind = type(value).__name__
        if isinstance(value, list):
            return sorted((self._plain(each) for each in value), key=text_of)
        if isinstance(value, dict):
            return {key: self._plain(each) for key, each in value.items()}
        if type(value) is str:
            return self._without_ids(value)
        if type(value) is int:
            return "<now>" if abs(value - time.time() * 1000) < HOUR_MS else value
        if type(value) is float:
            # SQLite drops the sign of a zero.
            return value + 0.0 if math.isfinite(value) else f"<{value}>"
        if value is None or type(value) is bool:
            return value
        named = getattr(self, f"_plain_{kind.lower()}", None)
        return named(value) if named else [kind, str(value)]

    def _without_ids(self, text):
        for number, run_id in enumerate(self.run_ids, 1):
            text = text.replace(run_id, f"<run {number}>")
        for place, name in self._places.items():
            text = text.replace(place, name)
        return "<generated>" if GENERATED_NAME.fullmatch(text) else text

    def _plain_run(self, run):
        info, data = run.info, run.data
        latest = getattr(data, "latest_metrics", None)
        return {
            "experiment_id": info.experiment_id,
            "name": self._plain(info.run_name),
            "user": info.user_id,
            "status": info.status,
            "stage": info.lifecycle_stage,
            "start": self._plain(info.start_time),
            "end": self._plain(info.end_time),
            "artifacts": self._plain(info.artifact_uri),
            "metrics": self._plain(data.metrics),
            "params": self._plain(data.params),
            "tags": self._plain(data.tags),
            "latest": self._plain(list(data._metric_objs if latest is None else latest)),
            "inputs": self._plain(list(run.inputs.dataset_inputs) if run.inputs else []),
            "dictionary": self._plain([run.to_dictionary()[part] for part in ("info", "data")]),
        }

    def _plain_fileinfo(self, found):
        return [found.path, found.is_dir, found.file_size]

    def _plain_dataframe(self, frame):
        kept = frame.astype(object).where(frame.notna(), None)
        rows = json.dumps(kept.to_numpy().tolist(), default=str)
        # A column of texts has a type of its own since pandas 3.
        types = ["object" if each == "str" else str(each) for each in frame.dtypes]
        return {
            "columns": json.dumps(list(frame.columns)),
            "types": json.dumps(types),
            "rows": self._without_ids(rows),
        }

    def _plain_metric(self, metric):
        parts = (metric.key, metric.value, metric.timestamp, metric.step)
        return {"point": [self._plain(part) for part in parts]}

    def _plain_datasetinput(self, use):
        one = use.dataset
        fields = [one.name, one.digest, one.source_type, one.source, one.schema, one.profile]
        return {"dataset": fields, "tags": {tag.key: tag.value for tag in use.tags}}

    def _plain_experiment(self, experiment):
        return {
            "experiment_id": experiment.experiment_id,
            "name": experiment.name,
            "artifacts": self._plain(experiment.artifact_location),
            "stage": experiment.lifecycle_stage,
            "tags": self._plain(experiment.tags),
            "created": self._plain(experiment.creation_time),
            "updated": self._plain(experiment.last_update_time),
            "dictionary": self._plain(dict(experiment)),
            "changed": experiment.last_update_time > experiment.creation_time,
        }

    def _plain_registeredmodel(self, model):
        return {
            "name": model.name,
            "created": self._plain(model.creation_timestamp),
            "updated": self._plain(model.last_updated_timestamp),
            "changed": model.last_updated_timestamp > model.creation_timestamp,
            "description": model.description,
            "latest": self._listed("get_latest_versions", model.latest_versions),
            "tags": model.tags,
            "aliases": model.aliases,
        }

    def _plain_modelversion(self, version):
        # No user: MLflow leaves it out.
        return {
            "name": version.name,
            "version": version.version,
            "created": self._plain(version.creation_timestamp),
            "updated": self._plain(version.last_updated_timestamp),
            "changed": version.last_updated_timestamp > version.creation_timestamp,
            "description": version.description,
            "stage": version.current_stage,
            "source": self._plain(version.source),
            "run": self._plain(version.run_id),
            "status": [version.status, version.status_message],
            "tags": version.tags,
            "link": version.run_link,
            "aliases of version": sorted(version.aliases),
        }


def _identity(found):
    if hasattr(found, "version"):
        return f"{found.name} {found.version}"
    return found.name if hasattr(found, "name") else found.info.run_id


def serve(requests, answers):
    """Answer requests, a line each: a new empty store, or a call on the last one."""
    import mlflow
    from asides import ASIDES
    from mlflow import MlflowClient, entities
    from names import public_names
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    # Its answers are the same before they are on the disk, and come sooner.
    event.listen(Engine, "connect", lambda db, _: db.execute("PRAGMA synchronous = OFF"))
    template, cwd = os.path.abspath("template.db"), os.getcwd()
    MlflowClient(f"sqlite:///{template}").search_experiments()
    places = {os.path.join(cwd, "mlruns"): "<root>", cwd: "<cwd>"}
    stores, side = 0, None
    for line in requests:
        request = json.loads(line)
        if request["method"] == "new":
            stores += 1
            path = os.path.abspath(f"{stores}.db")
            shutil.copyfile(template, path)
            # Which its client reads tables by, whatever store it is of.
            mlflow.set_tracking_uri(f"sqlite:///{path}")
            side = Side(MlflowClient(f"sqlite:///{path}"), entities, places)
            answer = {"value": None}
        elif request["method"] == "names":
            answer = {"value": public_names()}
        elif request["method"] in ASIDES:
            answer = ASIDES[request["method"]](*request["args"])
        else:
            answer = side.ask(request["method"], request["args"], request["kwargs"])
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    # What MLflow prints goes to the error stream; only answers go to the output.
    with os.fdopen(os.dup(1), "w") as stream:
        os.dup2(2, 1)
        serve(sys.stdin, stream)
