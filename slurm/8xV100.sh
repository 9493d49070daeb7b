#!/usr/bin/env bash
# 8 V100 GPUs: 2 nodes with 4 workers each. They need an earlier torch than constraints.txt names (nbs/tutorials/on_slurm). From the top of the checkout:
#   sbatch -A PROJECT slurm/8xV100.sh config/data/rscd.toml config/train/decent_resnet50.toml --set train.precision=fp32 [--set KEY=VALUE ...]
#SBATCH --job-name=rscd-8xV100
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=V100:4
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
[[ -x slurm/launch.sh ]] || {
    checkout=$(scontrol show job "$SLURM_JOB_ID" 2>/dev/null | sed -n 's#^ *Command=\(.*\)/slurm/[^/]*$#\1#p')
    echo "rscd: there is no slurm/launch.sh in $PWD; submit from the top of the checkout: cd ${checkout:-CHECKOUT} && sbatch slurm/${SLURM_JOB_NAME#rscd-}.sh ..." >&2
    exit 2
}
exec slurm/launch.sh "$@"
