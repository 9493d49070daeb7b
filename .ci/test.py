"""Runs every notebook as a test with nbdev, in a process of its own, then the checks of the repository as a whole."""
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import browser

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


failures: list[str] = []


def run(name: str, *command: str) -> bool:
    """One test: a command that must exit 0; its output is shown if it does not, and the end of it once more after all tests."""
    began = time.perf_counter()
    env = os.environ | {"OMP_NUM_THREADS": "1"}  # threads of processes side by side would wait for each other's cores, ten times as long as they compute
    process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        output, good = process.communicate(timeout=3000)[0], process.returncode == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, good = process.communicate()[0] + "\nnot done after 3000 s", False
    print(f"{'ok' if good else 'FAILED':6} {name} ({time.perf_counter() - began:.0f} s)", flush=True)
    if not good:
        said = re.sub(r"[^\n]*\r", "", output)  # without progress bars
        print(said[-8000:], flush=True)
        failures.append(f"{name}:\n{said[-2500:]}")
    return good


def unchanged(name: str, command: str) -> bool:
    """A command that must succeed in a copy of the tree and leave no change there."""
    script = (
        "set -e; tmp=$(mktemp -d); trap 'rm -rf $tmp' EXIT; git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $tmp; "
        f"cd $tmp; git init -q; git add -A; {BIN}/{command}; git diff --exit-code --stat"
    )
    return run(name, "bash", "-c", script)


def slurm_flags() -> list[str]:
    """Run the cells that need Slurm's daemons where those are installed or can be."""
    from rscd_nb.slurmlab import missing_daemons

    if missing_daemons() and os.geteuid() == 0 and shutil.which("apt-get"):
        env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-qq", "--no-install-recommends", "slurm-wlm", "munge"]):
            done = subprocess.run(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300)
            if done.returncode:
                print(done.stderr[-500:], flush=True)
    if missing := missing_daemons():
        print(f"skipped the cells that start Slurm: {', '.join(missing)} not installed (Debian: apt install slurm-wlm munge)", flush=True)
        return []
    return ["--flags", "slurm"]


notebooks = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in p.relative_to(ROOT).parts))
notebooks = [p for p in notebooks if p.parent.name != "analysis"]  # .ci/reports.py executes those, and compares what they write
python, flags = str(BIN / "python"), slurm_flags()
tests = {str(p.relative_to(ROOT)): partial(run, str(p.relative_to(ROOT)), str(BIN / "nbdev_test"), "--path", str(p), "--n_workers", "0", *flags) for p in notebooks}
alone = [tests.pop(f"nbs/{name}.ipynb") for name in ("16_loaderbench", "52_netbench", "56_timeline", "57_scaling", "tutorials/slow_network")]  # they measure time
beside = [tests.pop(name) for name in list(tests) if "/experiments/" in name]  # the longest begin first
beside += tests.values()
beside += [partial(unchanged, f"{tool} leaves no change", tool) for tool in ("nbdev_export", "nbdev_clean")]
beside += [partial(run, "the documentation's pages are made; links, explanations and the sidebar are whole", python, ".ci/pages.py"), partial(run, "make reports would change nothing", python, ".ci/reports.py")]
with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:  # most of them wait for processes to start; four may need 20 GB
    results = list(pool.map(lambda test: test(), beside))
results += [test() for test in alone]
if why_not := browser.missing(install=True):
    print(f"skipped JupyterLab in a browser: {why_not}", flush=True)
else:
    results += [run("JupyterLab in a browser", python, ".ci/browser.py")]
print("\n".join(failures), flush=True)
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(not all(results))
