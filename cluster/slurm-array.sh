#!/bin/bash
# `raybel link` as a job array of Slurm, for corpora of many files and clusters that give one node sooner than several:
# each task links its own shares of the input on its own node, with a Ray of its own; nothing goes between tasks.
# A sketch: put your own values where CHANGE-ME stands. Needs a file system that all nodes see, with on it
#   python3.11 -m venv CHANGE-ME/venv && CHANGE-ME/venv/bin/pip install "raybel"
#
# Submit from the repository's root with the options of `raybel link`, follow, see how it ended, stop:
#   sbatch cluster/slurm-array.sh --in-corpus CHANGE-ME/corpus --ontology CHANGE-ME/data/ontology.arrow \
#       --ngrams-model CHANGE-ME/models/ngrams --out-corpus CHANGE-ME/runs/1
#   raybel status CHANGE-ME/runs/1                 # all of it; of a share: CHANGE-ME/runs/1/0017-of-2000
#   sacct --jobs JOBID --format JobID,State,ExitCode,Elapsed
#   scancel JOBID
# Submitted again with the same options, it does what is left; so does a part of it: `sbatch --array=17,230 ...`.
#
# A share is every 2000th file, in order of their names, and has a run directory of its own below --out-corpus. Task 17
# links the shares 17, 17 + 1000, ... So there may be any number of shares, whatever the largest array is that Slurm
# takes (MaxArraySize, by default 1001: tasks 0 to 1000). Take as many as have work for an hour or so each. The list of
# files is made once, and stays: CHANGE-ME/runs/1/files.txt. For other files, give another --out-corpus.
#
#SBATCH --job-name=raybel-link
#SBATCH --output=raybel-link-%A_%a.log
#SBATCH --array=0-999%200
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --mem=64G
#SBATCH --time=8:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -euo pipefail

tasks=${RAYBEL_TASKS:-1000}  # as many as --array has above
shares=${RAYBEL_SHARES:-2000}

source "${RAYBEL_VENV:-CHANGE-ME/venv}/bin/activate"
if ((SLURM_ARRAY_TASK_ID >= tasks)); then
    echo "task $SLURM_ARRAY_TASK_ID of $tasks: --array must be 0-$((tasks - 1)), or a part of it" >&2
    exit 2
fi

# What the shares have alike, and what they don't.
corpus=() options=() out=
while (($#)); do
    case $1 in
        --in-corpus) corpus+=("$2") && shift 2 ;;
        --in-corpus=*) corpus+=("${1#*=}") && shift ;;
        --out-corpus) out=$2 && shift 2 ;;
        --out-corpus=*) out=${1#*=} && shift ;;
        *) options+=("$1") && shift ;;
    esac
done
if [[ -z $out || ${#corpus[@]} = 0 ]]; then
    echo "give --in-corpus and --out-corpus" >&2
    exit 2
fi

# Whichever task is the first makes the list: a link to a whole file is there at once, or was there before.
files=$out/files.txt
if [[ ! -e $files ]]; then
    mkdir -p "$out"
    mine=$files.$SLURM_JOB_ID
    trap 'rm -f "$mine"' EXIT
    python - "${corpus[@]}" > "$mine" << 'PYTHON'
import sys

from raybel.corpus.sources import corpus_files
from raybel.errors import RaybelError

try:
    print(*sorted(path for path, _ in corpus_files(sys.argv[1:])), sep="\n")
except RaybelError as error:
    sys.exit(f"raybel: {error}")
PYTHON
    ln "$mine" "$files" 2> /dev/null || [[ -e $files ]]
    rm "$mine"
fi

# Ray would take all of the node's CPUs for its own, and its socket names get too long in most directories.
export RAY_OVERRIDE_RESOURCES="{\"CPU\": $SLURM_CPUS_PER_TASK}"
export RAY_TMPDIR=/tmp/ray-$SLURM_JOB_ID
unset RAY_ADDRESS

linker=
trap 'kill $linker 2> /dev/null || true; wait; rm -rf "$RAY_TMPDIR"' EXIT
trap 'exit 143' TERM

# The worst that happened: 3 is that some input files couldn't be read. After 2 (wrong usage), or a signal, it's over.
worst=0
for ((share = SLURM_ARRAY_TASK_ID; share < shares; share += tasks)); do
    mapfile -t inputs < <(awk -v shares="$shares" -v share="$share" '(NR - 1) % shares == share' "$files")
    ((${#inputs[@]})) || continue
    status=0
    run=$(printf '%s/%04d-of-%04d' "$out" "$share" "$shares")
    raybel link "${options[@]}" --out-corpus "$run" "${inputs[@]}" &
    linker=$!
    wait $linker || status=$?
    linker=
    if ((status == 2 || status > 128)); then exit $status; fi
    if ((status && worst != 1)); then worst=$status; fi
done
exit $worst
