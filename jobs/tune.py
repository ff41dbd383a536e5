"""`raybel tune` as a Ray job: search hyper-parameters, trials side by side over the cluster.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python tune.py \\
        crossencoder --crosstype multi --train-corpus s3://BUCKET/data/train.bioc.xml.gz \\
        --val-corpus s3://BUCKET/data/val.bioc.xml.gz --ontology s3://BUCKET/data/ontology.arrow \\
        --ngrams-model s3://BUCKET/models/ngrams --num-samples 100 --track none --output-dir s3://BUCKET/sweeps/multi

A directory that isn't on a file system can't take TensorBoard's files: `--track none`, or mlflow with its own store.
Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["tune", *sys.argv[1:]])
