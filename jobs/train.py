"""`raybel train` as a Ray job: train a candidate generator, the encoder of one, or a cross-encoder.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python train.py \\
        ngrams --train-corpus s3://BUCKET/data/train.bioc.xml.gz \\
        --ontology s3://BUCKET/data/ontology.arrow --output-dir s3://BUCKET/models/ngrams

`ngrams` runs on the head node alone, `sapbert` and `crossencoder` on the workers of Ray Train. None needs data on the
machine that submits it. Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["train", *sys.argv[1:]])
