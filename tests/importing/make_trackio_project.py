"""Logs a project with Trackio in a process of its own: python make_trackio_project.py FOLDER.

Beside its folder is one with the same project as Parquet, and one as a static page has it.
"""

import os
import shutil
import sys
from pathlib import Path


def main(folder):
    home, parquet, page = folder / "home", folder / "parquet", folder / "page"
    os.environ |= {"TRACKIO_DIR": str(home), "HF_HUB_OFFLINE": "1"}

    import numpy as np
    import trackio
    from trackio.sqlite_storage import SQLiteStorage

    run = trackio.init(
        project="digits",
        name="first",
        group="sweep",
        config={"lr": 0.1, "optimizer": {"name": "adam", "betas": [0.9, 0.99]}, "none": None},
        embed=False,
        auto_log_gpu=False,
    )
    for step in range(20):
        trackio.log(
            {
                "loss": 1 / (step + 1),
                "val": {"acc": step},
                "flag": True,
                "text": f"step {step}",
                "odd@name": 7,
                "nan": float("nan"),
                "inf": float("-inf"),
            }
        )
    trackio.log(
        {"shown": trackio.Image(np.zeros((8, 8, 3), np.uint8), caption="black")}, step=50
    )
    trackio.log({"rows": trackio.Table(columns=["a"], data=[[1]])})
    trackio.log_system({"cpu": 5.0, "gpu": {"0": {"util": 3}}})
    (folder / "weights.bin").write_bytes(b"weights")
    artifact = trackio.Artifact("model", type="model")
    artifact.add_file(str(folder / "weights.bin"))
    run.log_artifact(artifact)
    trackio.alert("late", text="it takes long")
    trackio.finish()

    trackio.init(project="digits", name="second", config={}, embed=False, auto_log_gpu=False)
    trackio.log({"loss": 3})
    trackio.finish()

    SQLiteStorage.export_to_parquet()
    SQLiteStorage.export_for_static_space("digits", page)
    shutil.copytree(home, parquet)
    (parquet / "digits.db").unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
