"""`raybel sample` as a Ray job: draw mentions of each surface from a corpus, or confidently linked ones from a run.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python sample.py \\
        --in-corpus s3://BUCKET/runs/1 --per-surface 10 --confident 0.95 --out-corpus s3://BUCKET/samples/1

Options, messages and errors are the command's own. Submitted again after a failure, it goes on where it stopped.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["sample", *sys.argv[1:]])
