#!/bin/bash
# `raybel link` on Slurm: starts Ray on the nodes of an allocation, runs the job on it, ends with the job's exit status.
# A sketch: put your own values where CHANGE-ME stands. Needs a file system that all nodes see, with on it
#   python3.11 -m venv CHANGE-ME/venv && CHANGE-ME/venv/bin/pip install "raybel[cluster]" "ray[default]==2.60.0"
#
# Submit from the repository's root, follow, see how it ended, stop:
#   sbatch cluster/slurm-link.sh --in-corpus CHANGE-ME/corpus --ontology CHANGE-ME/data/ontology.arrow \
#       --ngrams-model CHANGE-ME/models/ngrams --out-corpus CHANGE-ME/runs/1
#   tail --follow raybel-link-JOBID.log
#   raybel status CHANGE-ME/runs/1
#   sacct --jobs JOBID --format JobID,State,ExitCode,Elapsed
#   scancel JOBID
# Submitted again with the same options, the job goes on where it stopped (time limit, lost node).
#
#SBATCH --job-name=raybel-link
#SBATCH --output=raybel-link-%j.log
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --mem=64G
#SBATCH --time=24:00:00
#SBATCH --exclusive

set -euo pipefail

source "${RAYBEL_VENV:-CHANGE-ME/venv}/bin/activate"
port=${RAY_PORT:-6379}
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}  # where this script runs
read -r ip _ < <(hostname --all-ip-addresses)
address=${HEAD_IP:-$ip}
# Where the temporary directory is long, Ray's socket names get too long.
start=(--num-cpus="$SLURM_CPUS_PER_TASK" --temp-dir="/tmp/ray-$SLURM_JOB_ID" --disable-usage-stats --block)
step=(srun --ntasks-per-node=1 --cpus-per-task="$SLURM_CPUS_PER_TASK" --kill-on-bad-exit=0)

# Other people's jobs reach these ports too; only who can read ~/.ray/auth_token (you) may use this Ray.
export RAY_AUTH_MODE=token
# A node that doesn't answer any more is given up after 24 seconds; by default that takes 65.
export RAY_health_check_timeout_ms=5000 RAY_health_check_failure_threshold=3
ray get-auth-token --generate > /dev/null

steps=()
trap 'kill "${steps[@]}" 2> /dev/null || true; wait' EXIT
trap 'exit 143' TERM

"${step[@]}" --nodes=1 --nodelist="$head" \
    ray start --head --node-ip-address="$address" --port="$port" --include-dashboard=false "${start[@]}" &
steps+=($!)
if ((SLURM_JOB_NUM_NODES > 1)); then
    for _ in {1..60}; do (: < "/dev/tcp/$address/$port") 2> /dev/null && break || sleep 1; done
    "${step[@]}" --nodes=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" \
        ray start --address="$address:$port" "${start[@]}" &
    steps+=($!)
fi

# The job takes the CPUs that it finds when it starts: wait for all nodes, two minutes at most.
export RAY_ADDRESS="$address:$port"
python - "$SLURM_JOB_NUM_NODES" << 'PYTHON'
import sys
import time

import ray

end, wanted, alive = time.time() + 120, int(sys.argv[1]), 0
while alive < wanted:
    if time.time() > end:
        sys.exit(f"{alive} of {wanted} nodes have joined Ray; see the lines above")
    try:
        if not ray.is_initialized():
            ray.init(logging_level="error", log_to_driver=False)
        alive = sum(node["Alive"] for node in ray.nodes())
    except ConnectionError:
        pass
    time.sleep(1)
PYTHON

status=0
python jobs/link.py "$@" &
steps+=($!)
wait $! || status=$?
exit "$status"
