"""`raybel evaluate` as a Ray job: score the links of a run against a gold corpus.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python evaluate.py \\
        --gold-corpus s3://BUCKET/data/val.bioc.xml.gz \\
        --pred-corpus s3://BUCKET/runs/1 --summary-file s3://BUCKET/runs/1/scores.json

It runs on the head node alone; as a job, it needs no data on the machine that submits it.
Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["evaluate", *sys.argv[1:]])
