#!/usr/bin/env bash
# No GPUs: 2 nodes with 2 workers each, for trying things out. From the top of the checkout:
#   sbatch -A PROJECT slurm/cpu.sh config/data/synthetic.toml config/train/quick_decent.toml [--set KEY=VALUE ...]
#SBATCH --job-name=rscd-cpu
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=1
#SBATCH --time=04:00:00
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
exec slurm/launch.sh "$@"
