#!/usr/bin/env bash
# Slurm. On a login node it submits itself; in the job it starts one rank per GPU with srun:
#     ACCOUNT=radio NODES=12 jobs/slurm-srun.sh CONFIG [OPTION of 'dawnstream run'...]
# On CPU nodes: GPUS_PER_RANK=0, and RANKS_PER_NODE ranks share the cores (one or two per socket serve well).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

export ACCOUNT=${ACCOUNT:-}                               # empty: your default account
export PARTITION=${PARTITION:-}                           # empty: the cluster's default partition
export NODES=${NODES:-6}
export RANKS_PER_NODE=${RANKS_PER_NODE:-6}                # 3, 4 or 6: the plan says what can be laid out
export GPUS_PER_RANK=${GPUS_PER_RANK:-1}
export CORES_PER_RANK=${CORES_PER_RANK:-8}
export WALLTIME=${WALLTIME:-01:00:00}
export MPI_PLUGIN=${MPI_PLUGIN:-pmix}                     # 'srun --mpi=list' shows what there is; Cray: cray_shasta
export DAWNSTREAM=${DAWNSTREAM:-$here/.venv/bin/dawnstream}

config=${1:?usage: jobs/slurm-srun.sh CONFIG [OPTION...]}
shift
ranks=$((NODES * RANKS_PER_NODE))

"$DAWNSTREAM" plan "$config" --ranks "$ranks" --ranks-per-node "$RANKS_PER_NODE"

resources=(--nodes="$NODES" --ntasks="$ranks" --ntasks-per-node="$RANKS_PER_NODE" --cpus-per-task="$CORES_PER_RANK")
if ((GPUS_PER_RANK)); then
    resources+=(--gpus-per-task="$GPUS_PER_RANK")
fi

if [[ -z ${SLURM_JOB_ID:-} ]]; then
    exec sbatch --job-name=dawnstream --time="$WALLTIME" ${ACCOUNT:+--account="$ACCOUNT"} \
        ${PARTITION:+--partition="$PARTITION"} "${resources[@]}" --export=ALL \
        --wrap "$(printf '%q ' "$here/jobs/slurm-srun.sh" "$config" "$@")"
fi
# A rank that fails ends the job: the others would wait for it until the wall time is over.
exec srun --mpi="$MPI_PLUGIN" --kill-on-bad-exit=1 --cpu-bind=cores "${resources[@]}" "$DAWNSTREAM" run "$config" "$@"
