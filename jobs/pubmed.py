"""`raybel pubmed` as a Ray job: from a dump to links, the whole pipeline on the cluster that the job is submitted to.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python pubmed.py \\
        --in-corpus s3://BUCKET/pubmed-baseline --detector s3://BUCKET/models/detector \\
        --ontology s3://BUCKET/ontology.arrow --ngrams-model s3://BUCKET/models/ngrams --out-dir s3://BUCKET/runs/pubmed

Options, messages and errors are the command's own. Submitted again after a failure, it goes on where it stopped.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["pubmed", *sys.argv[1:]])
