"""Runs every notebook as a test with nbdev, in a process of its own, then checks that export and clean leave no change."""
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def run(name: str, *command: str) -> bool:
    """One test: a command that must exit 0; its output is shown if it does not."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    print(f"{'ok' if done.returncode == 0 else 'FAILED':6} {name} ({time.perf_counter() - began:.0f} s)", flush=True)
    if done.returncode:
        print(done.stdout[-8000:], flush=True)
    return done.returncode == 0


def unchanged(tool: str) -> bool:
    """An nbdev tool that must leave no change in a copy of the tree."""
    script = (
        "set -e; tmp=$(mktemp -d); trap 'rm -rf $tmp' EXIT; git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $tmp; "
        f"cd $tmp; git init -q; git add -A; {BIN}/{tool}; git diff --exit-code --stat"
    )
    return run(f"{tool} leaves no change", "bash", "-c", script)


notebooks = sorted(p for p in (ROOT / "nbs").rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in p.relative_to(ROOT).parts))
with ThreadPoolExecutor(2) as pool:
    tests = [pool.submit(run, str(p.relative_to(ROOT)), str(BIN / "nbdev_test"), "--path", str(p), "--n_workers", "0") for p in notebooks]
    results = [t.result() for t in tests]
results += [unchanged("nbdev_export"), unchanged("nbdev_clean")]
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(not all(results))
