"""Short ways to export a run, and to read what was written."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from run_samples import make_run
from samples import collection, simple_document

from raybel.exports.config import ExportConfig
from raybel.exports.export import ExportResult, export
from raybel.files import storage
from raybel.runs.run_directory import RunDirectory


def exported(run: RunDirectory, out: Any, format: str = "jsonl", **options: Any) -> ExportResult:
    return export(ExportConfig(run=run.uri, format=format, out=str(out), **options))


def lines(path: Any) -> list[Any]:
    """The values of a file of JSON Lines."""
    data = storage.read_bytes(str(path))
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    return [json.loads(line) for line in text.split("\n")[:-1]]


def two_files(home: Path, **options: Any) -> RunDirectory:
    """A run of two shards, of two documents and of one."""
    first = collection(simple_document("1"), simple_document("2"))
    return make_run(home, first, collection(simple_document("3")), **options)
