"""What a restart costs: how fast finished members of an archive are skipped, and how fast documents are parsed.

    python tests/benchmarks/archive_resume.py [--articles 20000]

CPU seconds of one process. An archive holds synthetic PubMed files of 100 articles each.
"""

from __future__ import annotations

import argparse
import gzip
import io
import sys
import tarfile
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic_pubmed import made_up_texts, write_baseline

from raybel.corpus.archives import members
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import find_sources

OF_MEMBER = 100


def make(home: Path, articles: int) -> int:
    """Write the archives; bytes of their members."""
    texts, size = list(made_up_texts(0, 2_000)), 0
    part = home / "part.xml.gz"
    with (
        tarfile.open(home / "dump.tar", "w") as plain,
        tarfile.open(home / "dump.tar.gz", "w:gz", compresslevel=4) as packed,
    ):
        for number in range(articles // OF_MEMBER):
            write_baseline(part, 1 + number * OF_MEMBER, OF_MEMBER, number, texts)
            content = gzip.decompress(part.read_bytes())
            size += len(content)
            for archive in (plain, packed):
                info = tarfile.TarInfo(f"{number:06d}.xml")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--articles", type=int, default=20_000)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        size = make(home, args.articles)
        for name in ("dump.tar", "dump.tar.gz"):
            path = home / name
            begun = time.process_time()
            count = sum(1 for _ in members(str(path)))
            skipped = time.process_time() - begun
            stored = path.stat().st_size / 1e6
            print(
                f"{name}, {stored:,.0f} MB ({size / 1e6:,.0f} MB of members): {count:,} members skipped in "
                f"{skipped:.2f} s, {stored / skipped:,.0f} MB/s of the archive, "
                f"{size / 1e6 / skipped:,.0f} MB/s of its members",
                flush=True,
            )
        (source,) = find_sources([str(home / "dump.tar.gz")])
        for what, options in (("parsed", ReadOptions(source_only=True)), ("made into rows", ReadOptions())):
            begun = time.process_time()
            documents = sum(len(chunk["docs"][0]) for chunk in read_chunks(source, source.name, options))
            seconds = time.process_time() - begun
            print(
                f"{documents:,} documents {what} in {seconds:.1f} s: {documents / seconds:,.0f} documents/s", flush=True
            )


if __name__ == "__main__":
    main()
