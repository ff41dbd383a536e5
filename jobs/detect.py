"""`raybel detect` as a Ray job: find the mentions in a corpus's text on the cluster that the job is submitted to.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python detect.py \\
        --in-corpus s3://BUCKET/pubmed --detector s3://BUCKET/models/detector --out-corpus s3://BUCKET/runs/found

Options, messages and errors are the command's own. Submitted again after a failure, it goes on where it stopped.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["detect", *sys.argv[1:]])
