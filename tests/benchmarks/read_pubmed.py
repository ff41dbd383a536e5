"""Reading of PubMed XML alone: articles a second of CPU time, and peak memory, for files of two sizes.

    python tests/benchmarks/read_pubmed.py [--articles 3000 30000]

The files are synthetic (`tests/synthetic_pubmed.py`), of about 11,000 bytes an article, gzipped. Beside ours stands
what lxml alone takes to parse them, without making documents of them: the machine's measure.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

from isal import igzip
from lxml import etree

sys.path.insert(0, str(Path(__file__).parents[1]))

from synthetic_pubmed import made_up_texts, write_baseline

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import read_documents


def parse(path: str) -> int:
    """Parse a file and do nothing with it; return its articles."""
    articles = 0
    with igzip.open(path) as file:
        for _, element in etree.iterparse(file, tag="PubmedArticle"):
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
            articles += 1
    return articles


def read(path: str) -> int:
    """Read a file's documents; return their number."""
    return sum(not isinstance(piece, bytes) for piece in read_documents(path, ReadOptions()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--articles", type=int, nargs="+", default=[3000, 30000])
    texts = list(made_up_texts(1, 500))
    with tempfile.TemporaryDirectory() as home:
        for articles in parser.parse_args().articles:
            path = f"{home}/{articles}.xml.gz"
            size = write_baseline(path, 1, articles, 7, texts)
            for name, reader in (("raybel", read), ("lxml alone", parse)):
                start = time.process_time()
                assert reader(path) == articles
                seconds = time.process_time() - start
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
                print(
                    f"{articles:,} articles ({size / 1e6:,.0f} MB), {name}: {articles / seconds:,.0f} articles/s/core, "
                    f"{size / 1e6 / seconds:.0f} MB/s, peak {peak:.0f} MiB"
                )


if __name__ == "__main__":
    main()
