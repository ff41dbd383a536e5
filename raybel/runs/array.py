"""The runs of a job array: each of its shares of the input has a run directory, and all lie in one directory.

    DIR/files.txt           the files that all shares are of, a line each
    DIR/0017-of-2000        the run of share 17: every 2000th file, from the 18th on

What makes them is `cluster/slurm-array.sh`.
"""

from __future__ import annotations

import re

from raybel.display import counted, relative
from raybel.files import storage
from raybel.files.storage import join
from raybel.files.work_directory import STOPPED, Status
from raybel.runs.logs import read_progress
from raybel.runs.run_directory import RunDirectory

#: The list of the files.
FILES = "files.txt"
_SHARE = re.compile(r"[0-9]+-of-([0-9]+)")


def runs_of(uri: str) -> dict[str, RunDirectory]:
    """Return the runs that have begun by their names, in order; {} of what isn't an array's directory."""
    names = storage.entries(uri)
    runs = {name: RunDirectory(join(uri, name)) for name in names if _SHARE.fullmatch(name)} if FILES in names else {}
    return {name: run for name, run in runs.items() if run.exists()}


def shares_to_do(names: list[str], files: int) -> int:
    """Return how many runs there will be.

    Args:
        names: Of the runs that have begun, which say how many shares there are. Where earlier ones were of another
            number of shares, these count as well.
        files: How many files there are: a share without one gets no run.
    """
    numbers = {int(match[1]) for name in names if (match := _SHARE.fullmatch(name))}
    return sum(min(number, files) for number in numbers)


def status(uri: str) -> Status:
    """Say how far an array is: how many of its runs are finished, and what the others are."""
    runs = runs_of(uri)
    wanted = shares_to_do(list(runs), len(storage.read_bytes(join(uri, FILES)).splitlines()))
    progress = {name: read_progress(run) for name, run in runs.items()}
    finished = {name for name, each in progress.items() if each and each["finished"]}
    running = [name for name in runs if name not in finished and runs[name].work.is_locked()]
    stopped = [name for name in runs if name not in finished and name not in running]
    unread = sum(each["files_failed"] for each in progress.values() if each)
    figures: list[tuple[str, object]] = [("runs", f"{len(finished):,} of {wanted:,}")]
    figures += [("  running", len(running))] if running else []
    figures += [("  stopped", len(stopped))] if stopped else []
    figures += [("input files that couldn't be read", unread)] if unread else []
    figures.append(("documents", sum(each["counts"]["documents"] for each in progress.values() if each)))
    done = f"finished, but {counted(unread, 'input file')} couldn't be read" if unread else "finished"
    state = "running" if running else done if len(finished) == wanted else STOPPED
    notes = tuple(f"stopped: {name}" for name in stopped[:5]) + ((f"{len(stopped) - 5:,} more",) if stopped[5:] else ())
    return Status(f"array of runs {relative(uri)}", state, figures, notes)
