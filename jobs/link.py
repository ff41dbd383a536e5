"""`raybel link` as a Ray job: link a corpus on the cluster that the job is submitted to.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python link.py \\
        --in-corpus s3://BUCKET/corpus --ontology s3://BUCKET/ontology.arrow \\
        --ngrams-model s3://BUCKET/models/ngrams --out-corpus s3://BUCKET/runs/1

Options, messages and errors are the command's own. Submitted again after a failure, it goes on where it stopped.
`ray job submit` ends with status 1 for each of the command's statuses that isn't 0; the log says which it was.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["link", *sys.argv[1:]])
