"""`raybel index` as a Ray job: embed an ontology.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python index.py \\
        dense --ontology s3://BUCKET/data/ontology.arrow --out-index s3://BUCKET/models/dense

Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["index", *sys.argv[1:]])
