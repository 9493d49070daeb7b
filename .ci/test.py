"""Every notebook as a test, then the repository as a whole: its pages, reports and exported package, and JupyterLab in a browser.

PART=31, PART=parallel or PART="31 pages" in the environment runs the tests of those names alone. Notebooks run in forks of this process, which has imported what most of them
import: torch and its relatives take seconds of a core. What Slurm's tests and the browser's need is installed while other tests run."""
import atexit
import compileall
import difflib
import os
import re
import runpy
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import browser

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
LIMIT = 3000  # seconds, after which a test is taken to hang; none needs a tenth of that on a machine that does nothing else
MEMORY = 5e9  # bytes that a test may need
LONGEST = (  # begin first, so that no core is idle at the end
    "experiments/slurm", "experiments/resume", "40_oracle", "41_simulate", "80_cli", "browser", "44_train", "52_launch", "pages", "55_sweep",
    "experiments/study", "tutorials/on_slurm", "33_parallel", "62_wirebench", "68_scaling", "63_netbench", "64_timeline",
)  # fmt: skip
PACKAGES = {"slurm": ("slurm-wlm", "munge"), "browser": ("chromium", "fonts-dejavu-core")}  # Debian's
COPY = 'set -e; tmp=$(mktemp -d); trap "rm -rf $tmp" EXIT; git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $tmp; cd $tmp; git init -q; git add -A; '
WHOLE = {  # tests of the repository as a whole: what they say, and a program of Python or a command
    "pages": ("the documentation's pages are made; links, explanations and the sidebar are whole", ".ci/pages.py"),
    "reports": ("make reports would change nothing", ".ci/reports.py"),
    "browser": ("JupyterLab in a browser", ".ci/browser.py"),
    "export": ("nbdev_export leaves no change", ["bash", "-c", f"{COPY} {BIN}/nbdev_export; git diff --exit-code --stat"]),
    "clean": ("nbdev_clean leaves no change", ["bash", "-c", f"{COPY} {BIN}/nbdev_clean; git diff --exit-code --stat"]),
}


@dataclass
class Test:
    """What runs in a process of its own, and what became of it."""

    name: str  # such as 33_parallel, experiments/slurm or pages
    title: str  # as it is printed
    command: list[str] | str = ""  # a command, or a program or notebook that runs in a fork of this process
    needs: str = ""  # key of PACKAGES
    pid: int = 0  # 0: not begun
    began: float = 0.0
    seconds: float = 0.0  # from begin to end
    busy: float = 0.0  # of processors
    output: IO | None = None
    good: bool = False


def all_tests() -> list[Test]:
    """In the order in which they begin. .ci/reports.py executes the notebooks in analysis/, and compares what they write."""
    nbs = ROOT / "nbs"
    paths = [p for p in sorted(nbs.rglob("*.ipynb")) if not any(part.startswith((".", "_")) for part in p.relative_to(nbs).parts) and p.parent.name != "analysis"]
    tests = [Test(str(p.relative_to(nbs).with_suffix("")), str(p.relative_to(ROOT)), str(p.relative_to(ROOT)), needs="slurm" * ("#| slurm" in p.read_text())) for p in paths]
    tests += [Test(name, title, command, needs="browser" * (name == "browser")) for name, (title, command) in WHOLE.items()]
    return sorted(tests, key=lambda test: LONGEST.index(test.name) if test.name in LONGEST else len(LONGEST))


def chosen(tests: list[Test], part: str) -> list[Test]:
    """The tests that PART names: by a notebook's number, name, or path. For a notebook, the package must be what the notebooks say."""
    names = {test.name: {test.name, stem := Path(test.name).name, *stem.split("_", 1)} for test in tests}
    words = [re.sub(r"^nbs/|\.ipynb$", "", word) for word in part.replace(",", " ").split()]
    for word in words:
        if not any(word in known for known in names.values()):
            close = difflib.get_close_matches(word, sorted(set().union(*names.values())), n=3)
            sys.exit(f"no test is called {word!r}; {'did you mean ' + ', '.join(close) if close else 'give the number or the name of a notebook, or one of ' + ', '.join(WHOLE)}.")
    found = [test for test in tests if names[test.name] & set(words)]
    return found + [test for test in tests if test.name == "export" and test not in found and any(str(t.command).endswith(".ipynb") for t in found)]


# Installing


def missing(what: str) -> str:
    """Why tests that need these packages cannot run, or nothing."""
    if what == "browser":
        return browser.missing() or ""
    from rscd_nb.slurmlab import missing_daemons

    daemons = missing_daemons()
    return f"{', '.join(daemons)} not installed (Debian: apt install slurm-wlm munge)" if daemons else ""


def installers(tests: list[Test]) -> list[Test]:
    """What is missing and can be installed here, first what the longest tests need; apt runs once at a time."""
    wanted = [what for what in PACKAGES if any(test.needs == what for test in tests) and missing(what)]
    if not wanted or os.geteuid() != 0 or not shutil.which("apt-get"):
        return []
    update = "export DEBIAN_FRONTEND=noninteractive; apt-get update -qq; "
    script = lambda what: f"{update * (what == wanted[0])} DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends {' '.join(PACKAGES[what])}"
    return [Test(what, f"apt-get install {' '.join(PACKAGES[what])}", ["sh", "-c", script(what)]) for what in wanted]


# Running


def preload() -> None:
    """Import what most notebooks import; nothing that starts a thread or looks at a GPU."""
    compileall.compile_dir(ROOT / "rscd_nb", quiet=1)  # once: where PYTHONDONTWRITEBYTECODE is set, every interpreter would do so anew
    import nbdev.test, numba, pandas, seaborn  # noqa: E401, F401

    from rscd_nb import processes

    processes._import_all()


def run_here(path: str, flags: list[str]) -> None:
    """Run a notebook as `nbdev_test` does, or a program."""
    if path.endswith(".ipynb"):
        from nbdev.test import nbdev_test

        from rscd_nb.processes import start_forkserver

        if re.search(r"rscd_nb\.(launch|net|report)", Path(path).read_text()):
            start_forkserver(clean=True)  # a fork of this process, before it starts threads: it need not import
        nbdev_test.__wrapped__(path=path, flags=" ".join(flags), n_workers=0)
    else:
        sys.argv = [path]
        runpy.run_path(path, run_name="__main__")


def start(test: Test, flags: list[str]) -> None:
    """Begin a test in a new session, so that all its processes can be ended together."""
    test.began, test.output = time.monotonic(), tempfile.TemporaryFile("w+", errors="replace")
    sys.stdout.flush()
    test.pid = os.fork()
    if test.pid:
        return
    code = 1
    from rscd_nb.core import die_with_parent

    try:
        os.setsid()
        die_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        Path("/proc/self/comm").write_text(Path(test.name).name[:15])  # as ps and top show it
        os.chdir(ROOT)
        for stream, file in ((0, os.open(os.devnull, os.O_RDONLY)), (1, test.output.fileno()), (2, test.output.fileno())):
            os.dup2(file, stream)
        if isinstance(test.command, list):
            os.execvp(test.command[0], test.command)
        run_here(test.command, flags)
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else print(e.code, file=sys.stderr) or 1
    except BaseException:
        traceback.print_exc()
    atexit._run_exitfuncs()
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)


def ended(test: Test) -> bool:
    """Whether a test has ended, by itself or because it hangs."""
    hangs = time.monotonic() - test.began > LIMIT
    if hangs:
        kill(test)
    pid, status, used = os.wait4(test.pid, 0 if hangs else os.WNOHANG)
    if not pid:
        return False
    kill(test)  # what it has left behind
    test.good, test.seconds, test.busy = os.waitstatus_to_exitcode(status) == 0, time.monotonic() - test.began, used.ru_utime + used.ru_stime
    if hangs:
        test.output.write(f"\nnot done after {LIMIT} s")
    return True


def kill(test: Test) -> None:
    try:
        os.killpg(test.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def said(test: Test) -> str:
    """What a test has printed, without progress bars."""
    test.output.seek(0)
    return re.sub(r"[^\n]*\r", "", test.output.read())


def at_once() -> int:
    """How many tests run side by side: one more than there are cores, for many wait for processes to start, as far as memory allows."""
    from rscd_nb.core import cores

    memory = min(int(re.search(r"MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text())[1]) * 1024, limit_of_cgroup())
    return max(1, min(cores() + 1, int(memory / MEMORY)))


def limit_of_cgroup() -> float:
    limit = Path("/sys/fs/cgroup/memory.max")
    text = limit.read_text().strip() if limit.is_file() else "max"
    return float("inf") if text == "max" else int(text)


def run_all(tests: list[Test]) -> list[Test]:  # those that have run
    """Run tests side by side, each as soon as there is room and what it needs is installed."""
    to_install, installing = installers(tests), None
    waiting, running, done, flags, room = list(tests), [], [], [], at_once()
    try:
        while waiting or running:
            if installing and ended(installing):
                print(f"{'ok' if installing.good else 'not ok':6} {installing.title} ({installing.seconds:.0f} s)" + f"\n{said(installing)[-500:]}" * (not installing.good), flush=True)
                installing = None
            if to_install and not installing:
                start(installing := to_install.pop(0), [])
            pending = {test.name for test in [*to_install, installing] if test}
            for what in PACKAGES.keys() - pending:  # there now, or it will never be
                if any(test.needs == what for test in waiting) and (why := missing(what)):
                    print(f"skipped what needs {what}: {why}", flush=True)
                    waiting = [test for test in waiting if test.name != what]
                    for test in waiting:
                        test.needs = test.needs.replace(what, "")
                elif what == "slurm" and not missing(what):
                    flags = ["slurm"]
            for test in [test for test in running if ended(test)]:
                running.remove(test)
                done.append(test)
                print(f"{'ok' if test.good else 'FAILED':6} {test.title} ({test.seconds:.0f} s, {test.busy:.0f} s of processors)", flush=True)
                if not test.good:
                    print(said(test)[-8000:], flush=True)
            for test in list(waiting):
                if len(running) < room and test.needs not in pending:
                    waiting.remove(test)
                    start(test, flags * (test.needs == "slurm"))
                    running.append(test)
            time.sleep(0.1)
    except KeyboardInterrupt:
        for test in [*running, *filter(None, [installing])]:
            kill(test)
        sys.exit(130)
    return done


def main() -> None:
    os.environ["OMP_NUM_THREADS"] = "1"  # threads of processes side by side would wait for each other's cores, ten times as long as they compute
    sys.path.insert(0, str(ROOT))
    began, tests = time.monotonic(), all_tests()
    if part := os.environ.get("PART", "").strip():
        tests = chosen(tests, part)
    preload()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # of a shell's timeout, or of a cancelled job: the tests end, too
    done = run_all(tests)
    bad = [test for test in done if not test.good]
    for test in bad:
        print(f"{test.title}:\n{said(test)[-2500:]}", flush=True)
    slowest = sorted(done, key=lambda test: -test.seconds)[:10]
    print("the slowest: " + ", ".join(f"{test.name} {test.seconds:.0f} s" for test in slowest))
    print(f"all of them: {sum(test.busy for test in done):.0f} s of processors in {time.monotonic() - began:.0f} s")
    print(f"{len(done) - len(bad)} passed, {len(bad)} failed")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
