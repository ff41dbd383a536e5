"""`raybel prepare` as a Ray job: corpora and vocabularies into BioC files and an ontology.

    ray job submit --address http://HEAD:8265 --working-dir jobs -- python prepare.py \\
        ncbi-disease --ncbidisease-dir /shared/NCBI_corpus \\
        --ctd-medic-diseases /shared/CTD_diseases.tsv.gz --out-dir s3://BUCKET/data

It runs on the head node alone; as a job, it needs no data on the machine that submits it.
Options, messages and errors are the command's own.
"""

import sys

from raybel.cli import run

if __name__ == "__main__":
    run(["prepare", *sys.argv[1:]])
