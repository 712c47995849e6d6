#!/usr/bin/env bash
# One machine, or several that a host file names, with mpirun:
#     jobs/mpirun.sh CONFIG [OPTION of 'dawnstream run'...]
#     RANKS=72 RANKS_PER_NODE=6 HOSTFILE=hosts jobs/mpirun.sh CONFIG
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

RANKS=${RANKS:-$("$here/scripts/ranks")}
RANKS_PER_NODE=${RANKS_PER_NODE:-$RANKS}
HOSTFILE=${HOSTFILE:-}                                    # empty: this machine only
MPIRUN=${MPIRUN:-mpirun}                                  # for a host file; Open MPI's options are used
DAWNSTREAM=${DAWNSTREAM:-$here/.venv/bin/dawnstream}

config=${1:?usage: jobs/mpirun.sh CONFIG [OPTION...]}
shift

"$DAWNSTREAM" plan "$config" --ranks "$RANKS" --ranks-per-node "$RANKS_PER_NODE"

if [[ -z $HOSTFILE ]]; then
    exec "$here/scripts/mpirun" -n "$RANKS" "$DAWNSTREAM" run "$config" "$@"
fi
# Every rank divides the cores of its node by the ranks there, so nothing is bound.
exec "$MPIRUN" -n "$RANKS" --hostfile "$HOSTFILE" --map-by "ppr:$RANKS_PER_NODE:node" --bind-to none \
    "$DAWNSTREAM" run "$config" "$@"
