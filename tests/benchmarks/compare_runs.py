"""`raybel compare` and `raybel show` on large runs: CPU seconds and memory.

python tests/benchmarks/compare_runs.py --run DIR [--shards 13] [--copies 100]   (DIR: of `raybel link`, with one shard)

A run's tables are repeated, with distinct document ids; in a second one, every twentieth mention has another link.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.runs.run_directory import RunDirectory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", required=True)
    parser.add_argument("--shards", type=int, default=13)
    parser.add_argument("--copies", type=int, default=100, help="of the run's documents in a shard")
    parser.add_argument("--concept", default="none", help="whose mentions are looked for")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a", "b"):
            repeat(Path(args.run), Path(folder) / name, args.shards, args.copies, changed=name == "b")
        rows = pq.ParquetDataset(Path(folder) / "a" / "mentions").read(columns=["document"]).num_rows
        print(f"{rows:,} mentions\n\n| command | CPU seconds | MB |\n| --- | --- | --- |")
        last = pq.read_table(sorted((Path(folder) / "a" / "documents").iterdir())[-1])["doc_id"][0].as_py()
        for command in (
            ["compare", "a", "b", "--examples", "0"],
            ["show", "a", "--doc-id", last],
            ["show", "a", "--concept", args.concept],
        ):
            print(f"| `raybel {' '.join(command)}` | {' | '.join(measured(command, folder))} |", flush=True)


def repeat(source: Path, target: Path, shards: int, copies: int, changed: bool) -> None:
    """Write a run whose shards have the source's documents several times."""
    run = RunDirectory(str(source))
    (name,) = run.shard_names()
    mentions, documents = (pq.read_table(run.file(folder, name)) for folder in ("mentions", "documents"))
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("shards", "mentions", "documents", ".lock"))
    made = RunDirectory(str(target))
    for shard in range(shards):
        own = f"{shard:05d}.xml.gz"
        for folder, table in (("mentions", mentions), ("documents", documents)):
            path = made.file(folder, own)
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with pq.ParquetWriter(path, table.schema, compression="zstd") as writer:
                for copy in range(copies):
                    moved = pc.add(table["document"], pa.scalar(copy * len(documents), pa.int32()))
                    ids = pc.binary_join_element_wise(f"{shard}-{copy}-", table["doc_id"], "")
                    piece = replaced(table, "document", moved)
                    if changed and folder == "mentions":
                        every_twentieth = pa.array(place % 20 == copy % 20 for place in range(len(table)))
                        piece = replaced(piece, "link_id", pc.if_else(every_twentieth, "X", table["link_id"]))
                    writer.write_table(replaced(piece, "doc_id", ids))
        Path(made.shard_file(own)).parent.mkdir(exist_ok=True)
        shutil.copy(run.shard_file(name), made.shard_file(own))


def replaced(table: pa.Table, name: str, column: pa.ChunkedArray) -> pa.Table:
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name), column)


def measured(command: list[str], folder: str) -> tuple[str, str]:
    """Run a command; return its CPU seconds and the memory that it took at most, in MB."""
    process = subprocess.Popen([sys.executable, "-m", "raybel", *command], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return f"{usage.ru_utime + usage.ru_stime:.1f}", f"{usage.ru_maxrss / 1024:.0f}"


if __name__ == "__main__":
    main()
