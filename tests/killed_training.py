"""Trainings that are interrupted, or one of whose workers is killed, and which go on from the last checkpoint."""

import contextlib
import json
import os
import signal
import threading
import time
from dataclasses import replace

import psutil
import pytest


def known_checkpoint(out):
    """The directory of the last checkpoint of a training that Ray knows; None before there is one."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # it may be written just now
        latest = json.loads((out / "checkpoints/checkpoint_manager_snapshot.json").read_text())[
            "latest_checkpoint_result"
        ]
        return out / "checkpoints" / latest["checkpoint_dir_name"]
    return None


def killed_within_its_epoch(train, config, out):
    """Train in `out`, kill a worker once a checkpoint within the first epoch is known; return the result.

    Raises:
        AssertionError: There was no such checkpoint, or training didn't go on from it.
    """
    killed, seen = [], []

    def kill():
        deadline = time.monotonic() + 300
        while known_checkpoint(out) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "RayTrainWorker" in " ".join(process.cmdline()) and not killed:
                    process.kill()
                    killed.append(process.pid)
        seen[:] = [json.loads((out / "progress.json").read_text())]

    killer = threading.Thread(target=kill)
    killer.start()
    result = train(replace(config, output_dir=str(out)), seen.append)
    killer.join()
    assert len(killed) == 1
    assert result.resumed == 0, "the first epoch was over already"
    shown = [each for each in seen if "loss" in each and each != seen[0]]
    assert shown
    assert all(each.get("done", each.get("step", 1) - 1) > 0 for each in shown), "it began anew"
    return result


def interrupted_training(train, when):
    """Train until a condition holds, then interrupt the driver, which is this process, as Ctrl-C does."""
    over, lock = threading.Event(), threading.Lock()

    def interrupt():
        deadline = time.monotonic() + 300
        while not when() and time.monotonic() < deadline:
            time.sleep(0.01)
        with lock:
            if not over.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    def run():
        train()
        with lock:
            over.set()

    thread = threading.Thread(target=interrupt)
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            run()
    finally:
        over.set()
        thread.join()
