"""A training one of whose workers is killed within an epoch, and which goes on from the checkpoint there."""

import contextlib
import json
import threading
import time
from dataclasses import replace

import psutil


def killed_within_its_epoch(train, config, out):
    """Train in `out`, kill a worker once a checkpoint within the first epoch is known; return the result.

    Raises:
        AssertionError: There was no such checkpoint, or training didn't go on from it.
    """
    saved, seen = [], []

    def kill():
        deadline = time.monotonic() + 300
        known = out / "checkpoints" / "checkpoint_manager_snapshot.json"
        while time.monotonic() < deadline and not (known.exists() and "checkpoint_" in known.read_text()):
            time.sleep(0.02)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "RayTrainWorker" in " ".join(process.cmdline()) and not saved:
                    process.kill()
                    [state] = [
                        json.loads(path.read_text()) for path in out.glob("checkpoints/checkpoint_*/state.json")
                    ][:1]
                    saved.append(state["within"]["steps"])
        seen[:] = [json.loads((out / "progress.json").read_text())]

    killer = threading.Thread(target=kill)
    killer.start()
    result = train(replace(config, output_dir=str(out)), seen.append)
    killer.join()
    assert saved[0] > 0
    shown = [each for each in seen if "loss" in each and each != seen[0]]
    assert shown
    assert all(each.get("done", each.get("step", 1) - 1) > 0 for each in shown)
    return result
