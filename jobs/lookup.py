"""`raybel lookup` as a Ray job: find the candidates of all distinct surfaces of a corpus, once, for many link jobs.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python lookup.py \\
        --in-corpus s3://BUCKET/corpus --ontology s3://BUCKET/ontology.arrow \\
        --ngrams-model s3://BUCKET/models/ngrams --output s3://BUCKET/lookup

Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["lookup", *sys.argv[1:]])
