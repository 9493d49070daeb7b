#!/usr/bin/env bash
# What every script here does once Slurm has given it nodes: start one launcher on each, which starts that node's workers.
# The scripts differ in their headers alone. Further settings, all optional, by variables of the shell that calls sbatch:
#   RSCD_VENV      the virtual environment       (.venv)
#   RSCD_RUNS      the folder for run folders    (runs), on a file system that all nodes share; or --runs FOLDER
#   RSCD_RESTARTS  how often workers start again from the newest checkpoint when one of them has died (3)
set -uo pipefail

fail() {
    echo "rscd: $*" >&2
    exit 2
}

[[ -n "${SLURM_JOB_ID:-}" ]] || fail "the scripts in slurm/ are for sbatch: sbatch -A PROJECT slurm/cpu.sh DATA.toml TRAIN.toml"
[[ -n "${SLURM_NTASKS_PER_NODE:-}" ]] || fail "give the job --ntasks-per-node, the workers on each node; --ntasks alone does not say."
if [[ "${1:-}" == --sweep ]]; then
    [[ -n "${2:-}" && -n "${SLURM_ARRAY_TASK_ID:-}" ]] || fail "--sweep FILE is what rscd sweep submits, as a job array; use that."
    what=(train --sweep "$2" --cell "$SLURM_ARRAY_TASK_ID")
elif [[ "${1:-}" == --bench ]]; then
    [[ -n "${2:-}" && "$2" != -* ]] || fail "name a file, then further options: sbatch -A PROJECT ${SLURM_JOB_NAME:-SCRIPT} --bench TRAIN.toml [--minutes 10 ...]"
    what=(bench cluster --train "$2" --out "${RSCD_RUNS:-runs}/bench")
elif [[ $# -ge 2 && "$1" != -* && "$2" != -* ]]; then
    what=(train --data "$1" --train "$2")
else
    fail "name two files, then further options: sbatch -A PROJECT ${SLURM_JOB_NAME:-SCRIPT} DATA.toml TRAIN.toml [--set KEY=VALUE ...]"
fi
# $TMPDIR is filled in by the program, on each node.
# shellcheck disable=SC2016
[[ "${what[0]}" == bench ]] || what+=(--runs "${RSCD_RUNS:-runs}" --set 'data.preload=$TMPDIR')
shift 2

rscd="${RSCD_VENV:-$PWD/.venv}/bin/rscd"
died="${RSCD_RUNS:-runs}/.died-$SLURM_JOB_ID" # on the file system that all nodes share
# Run by bash on each node, which fills in the variables: a node may lack what this one has. A launcher that fails has said why, and takes the others with it;
# one that was stopped (75) has not failed. Signals are for the launcher: the bash around it waits.
# shellcheck disable=SC2016
on_node='[[ -x "$0" ]] || { echo "rscd: there is no $0 on $(hostname); make it with make .venv/installed, or name another with RSCD_VENV." >&2; exit 2; }
died=$1
shift
trap : TERM USR1
"$0" "$@"
code=$?
[[ $code != 76 ]] || { mkdir -p "${died%/*}" && touch "$died"; } # a worker has died, which is not the program'"'"'s fault
[[ $code == 0 || $code == 75 ]] || { sleep 1; scancel --signal=KILL "$SLURM_JOB_ID.$SLURM_STEP_ID"; } # by then the others have begun
exit $code'
[[ -x "$rscd" ]] || fail "there is no $rscd on $(hostname); make it with make .venv/installed, or name another with RSCD_VENV."

workers="${SLURM_NTASKS_PER_NODE}"
cpus=$((workers * ${SLURM_CPUS_PER_TASK:-1}))
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}" TQDM_MININTERVAL="${TQDM_MININTERVAL:-30}"
trap 'rm -f "$died"' EXIT
for ((attempt = 0; ; attempt++)); do
    rm -f "$died"
    export RSCD_AGAIN=$((attempt + ${SLURM_RESTART_COUNT:-0})) # not 0: this job has begun before, and goes on with the configuration that it had then
    # --wait: a launcher that outlives another by so many seconds hangs. --export: whatever SBATCH_EXPORT says, a node needs what was set here.
    srun --export=ALL --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task="$cpus" --wait=60 \
        bash -c "$on_node" "$rscd" "$died" "${what[@]}" --slurm --nproc "$workers" "$@"
    code=$?
    ls "${died%/*}" &>/dev/null # a network file system asks its server anew
    [[ -e "$died" && $attempt -lt ${RSCD_RESTARTS:-3} ]] || break
    echo "rscd: all workers start again from the newest checkpoint ($((attempt + 1)) of ${RSCD_RESTARTS:-3} restarts)" >&2
done
if [[ $code == 75 ]]; then # stopped because the time was nearly up, with everything saved
    scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
exit $code
