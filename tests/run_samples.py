"""Run directories made by hand: of the library's own writers, without Ray."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from samples import parts, save

from raybel.files import storage
from raybel.runs.inputs import find_inputs
from raybel.runs.logs import write_plan, write_progress
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import MENTIONS


def make_run(home: Path, *contents: Any, suffix: str = ".xml", finished: bool = True, uri: str = "") -> RunDirectory:
    """A run of a file for each of `contents`, linked by `samples.FixedGenerator`."""
    paths = [save(home / "in" / f"{chr(ord('a') + number)}{suffix}", each) for number, each in enumerate(contents)]
    run = RunDirectory(uri or str(home / "run"))
    run.open({"made": "by hand"}, {}, False)
    inputs = find_inputs(paths, "f") if paths else []
    write_plan(run, inputs)
    for shard in (item.shard() for item in inputs):
        made = parts(shard.path)
        for part in made:
            run.write_part(shard, part)
        run.assemble(shard, len(made))
    log_progress(run, finished=finished)
    return run


def log_progress(run: RunDirectory, **figures: Any) -> None:
    """Log how far a run is, as its last start would."""
    write_progress(run, {"own": {}, "counts": {}, "failed": [], "files_failed": 0, **figures})


def change_mentions(run: RunDirectory, shard: str, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """Change the rows of a shard's mentions table."""
    path = run.mentions_file(shard)
    rows = pq.read_table(io.BytesIO(storage.read_bytes(path))).to_pylist()
    change(rows)
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, MENTIONS), sink)
    storage.publish(path, sink.getvalue())
