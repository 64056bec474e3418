"""Logs runs with W&B, offline, in a process of its own: python make_wandb_runs.py FOLDER ENDING.

Endings are ``finish``, ``fail`` and ``kill``. It runs with old versions too.
"""

import os
import signal
import sys
from pathlib import Path


def log_everything(folder, run):
    """Log what a run may have."""
    import numpy as np
    import wandb

    for step in range(20):
        run.log(
            {
                "loss": 1 / (step + 1),
                "val": {"acc": step, "best": {"f1": 0.5}},
                "flag": True,
                "none": None,
                "text": f"step {step}",
                "list": [1, step],
                "odd@name": 7,
                "nan": float("nan"),
                "inf": float("-inf"),
            }
        )
    run.log({"sparse": 5.0}, step=1000)
    run.log({"shown": wandb.Image(np.zeros((8, 8, 3), np.uint8), caption="black")})
    run.log({"rows": wandb.Table(columns=["a", "b"], data=[[1, "x"]])})
    run.log({"bars": wandb.Histogram(np.arange(10.0))})
    run.summary["best"] = 0.75
    run.config.update({"later": "yes"})
    (folder / "weights.bin").write_bytes(b"weights")
    artifact = wandb.Artifact("model", "model")
    artifact.add_file(str(folder / "weights.bin"))
    # Without a checksum nobody asks the server for it.
    artifact.add_reference("https://example.org/data.csv", checksum=False)
    run.log_artifact(artifact)
    print("printed by the run")


def main(folder, ending):
    """Log runs that end in a way."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    # Nothing leaves this machine, and nothing is put into the user's folders.
    os.environ |= {
        "WANDB_MODE": "offline",
        "WANDB_ERROR_REPORTING": "false",
        "WANDB_SILENT": "true",
        "WANDB_DISABLE_GIT": "true",
        "WANDB_DIR": str(folder),
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_CONFIG_DIR": str(folder / "config"),
    }
    import wandb

    run = wandb.init(
        entity="team",
        project="digits",
        name="first",
        notes="of an evening",
        tags=["baseline", "größe"],
        group="sweep",
        job_type="train",
        config={"lr": 0.1, "optimizer": {"name": "adam", "betas": [0.9, 0.99]}, "none": None},
    )
    if ending == "finish":
        log_everything(folder, run)
        run.finish()
    else:
        for step in range(3000):
            run.log({"loss": step / 8})
        if ending == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        run.finish(exit_code=3)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
