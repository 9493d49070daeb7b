"""Opens the lab's notebooks in a real JupyterLab in a real browser, runs them, and looks at what a person would see."""
import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BROWSER = "/usr/bin/chromium"
FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split()
LIMIT = 1800  # seconds for everything, and
PATIENCE = 300  # for one thing, which takes seconds: limits against hanging, generous since a machine may be busy with other things
NOTEBOOKS = {  # what must be there after all cells have run: figures, and panels of widgets
    "nbs/start.ipynb": (2, 2),
    "nbs/explore/topologies.ipynb": (2, 2),
    "nbs/explore/runs.ipynb": (2, 1),
    "nbs/explore/advice.ipynb": (1, 1),
    "nbs/experiments/train.ipynb": (1, 0),
}
FIGURES = ".jp-OutputArea-output :is(img, canvas, svg.main-svg)"
PANELS = ".jp-OutputArea-output .jupyter-widgets.widget-vbox"
ERRORS = "[data-mime-type='application/vnd.jupyter.error']"
SETTINGS = {  # no question about news, which would lie over the page
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/apputils-extension/themes.jupyterlab-settings": {"theme": "JupyterLab Light"},
}


class Failed(Exception):
    "What a person would complain about, in a sentence."


def missing() -> str | None:
    "Why there can be no test here, or None."
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed (pip install playwright)"
    return None if os.path.exists(BROWSER) else f"there is no {BROWSER} (Debian: apt install chromium)"


def copy_tree(to: Path) -> None:
    "The checkout as git sees it, so that nothing in it is modified."
    names = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True).stdout
    to.mkdir()
    subprocess.run(["xargs", "-0", "cp", "--parents", "-t", str(to)], cwd=ROOT, input=names, check=True)


def start_lab(tmp: Path) -> tuple[subprocess.Popen, str, str]:  # the server, its address, its token
    "JupyterLab on a copy of the checkout, with settings, workspaces and state of its own."
    from rscd_nb.core import prctl
    from rscd_nb.slurmlab import free_ports

    copy_tree(tmp / "tree")
    for name, values in SETTINGS.items():
        path = tmp / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    folders = {"JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "share", "JUPYTER_RUNTIME_DIR": "runtime", "IPYTHONDIR": "ipython"}
    env = os.environ | {name: str(tmp / folder) for name, folder in folders.items()} | {"PYTHONPATH": str(tmp / "tree"), "CUDA_VISIBLE_DEVICES": ""}
    (port,), token = free_ports(1), secrets.token_hex(16)
    command = [Path(sys.executable).parent / "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--port-retries=0", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp / 'tree'}"]
    with open(tmp / "server.log", "w") as log:
        server = subprocess.Popen(command, cwd=tmp / "tree", env=env, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=partial(prctl, 1, signal.SIGTERM))  # it ends with this process
    return server, f"http://127.0.0.1:{port}", token


def wait_for(server: subprocess.Popen, address: str, token: str, log: Path, seconds: float = PATIENCE) -> None:
    "Until the server answers."
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=30).close()
            return
        except OSError:
            time.sleep(0.3)
    raise Failed(f"JupyterLab does not answer at {address} within {seconds:.0f} s; its log ends: {log.read_text()[-1500:]}")


def run_all(page, name: str, seconds: float) -> int:  # cells run
    "Run all cells through the menu, and wait until they are done and the kernel is idle."
    from playwright.sync_api import TimeoutError

    page.locator("#jp-bottom-panel, #jp-main-statusbar", has_text="| Idle").first.wait_for(timeout=1000 * PATIENCE)  # the kernel is there; the notebook's own sign is idle before that, too
    page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    done = """([errors]) => {
        const prompts = [...document.querySelectorAll('.jp-Notebook .jp-CodeCell .jp-InputPrompt')].map(p => p.textContent.trim());
        const idle = document.querySelector(".jp-Notebook-ExecutionIndicator[data-status='idle']");
        return document.querySelector(errors) || (idle && prompts.length && prompts.every(p => /^\\[\\d+\\]:$/.test(p))) ? prompts.length : 0;
    }"""
    try:
        count = page.wait_for_function(done, arg=[ERRORS], timeout=1000 * seconds, polling=300).json_value()
    except TimeoutError:
        prompts = page.locator(".jp-Notebook .jp-CodeCell .jp-InputPrompt").all_inner_texts()
        raise Failed(f"{name} was not done after {seconds:.0f} s: its cells stand at {' '.join(prompts)}") from None
    if page.locator(ERRORS).count():
        raise Failed(f"{name} shows an error: {page.locator(ERRORS).first.inner_text()[-800:]}")
    return count


def look(page, name: str, figures: int, panels: int) -> None:
    "Figures and widgets that must be there, drawn and not clipped."
    from playwright.sync_api import TimeoutError

    there = """([figures, panels, n, m]) => {
        const drawn = [...document.querySelectorAll(figures)].filter(f => f.getBoundingClientRect().width > 200 && (f.naturalWidth ?? 1) > 0);
        return drawn.length >= n && document.querySelectorAll(panels).length >= m;
    }"""
    try:
        page.wait_for_function(there, arg=[FIGURES, PANELS, figures, panels], timeout=1000 * PATIENCE)
    except TimeoutError:
        seen = f"{page.locator(FIGURES).count()} figures and {page.locator(PANELS).count()} panels of widgets"
        raise Failed(f"{name} shows {seen} (figures may be too small to see), where {figures} and {panels} were expected.") from None
    for figure in page.locator(FIGURES).all():
        box, area = figure.bounding_box(), page.locator(".jp-NotebookPanel-notebook").first.bounding_box()
        if box and box["x"] + box["width"] > area["x"] + area["width"] + 1:
            raise Failed(f"{name}: a figure is {box['width']:.0f} pixels wide and reaches beyond the page.")
    if broken := page.locator(".jp-OutputArea-output", has_text="Error displaying widget").count():
        raise Failed(f"{name}: {broken} widgets are not displayed.")


def changes(page, name: str, what: str, action, seconds: float = PATIENCE) -> None:
    "Something done to the first panel must change its picture."
    from playwright.sync_api import TimeoutError

    picture = page.locator(f"{PANELS} img").first
    before = picture.get_attribute("src")
    action()
    try:
        page.wait_for_function("([selector, before]) => document.querySelector(selector).src !== before", arg=[f"{PANELS} img", before], timeout=1000 * seconds)
    except TimeoutError:
        raise Failed(f"{name}: {what} did not change the picture within {seconds:.0f} s.") from None


def try_topologies(page, name: str) -> None:
    "Turn the first panel's knobs as a person would, one impossible combination among them."
    panel = page.locator(PANELS).first
    changes(page, name, "another topology", lambda: panel.locator("select").first.select_option("random-matching"))
    slider = panel.locator(".noUi-handle")
    changes(page, name, "another number of workers", lambda: (slider.nth(0).focus(), page.keyboard.press("ArrowRight")))
    changes(page, name, "another step", lambda: (slider.nth(2).focus(), page.keyboard.press("ArrowRight")))
    panel.locator("select").first.select_option("one-peer-exp")  # of nine workers
    panel.get_by_text("one-peer-exp needs 2, 4, 8, 16, ... workers, not 9").wait_for(timeout=1000 * PATIENCE)
    changes(page, name, "a possible topology", lambda: panel.locator("select").first.select_option("ring"))


def try_runs(page, name: str) -> None:
    "Choose other runs, and let the panel refresh itself for a moment."
    panel = page.locator(PANELS).first
    runs = panel.locator("select[multiple]")
    changes(page, name, "another run", lambda: runs.select_option(index=[0]))
    changes(page, name, "two runs", lambda: runs.select_option(index=[0, 12]))
    box = panel.locator("input[type=checkbox]")
    box.check()
    box.uncheck()


def try_advice(page, name: str) -> None:
    "Another bandwidth, and more workers."
    panel = page.locator(PANELS).first
    slider = panel.locator(".noUi-handle")
    changes(page, name, "another bandwidth", lambda: (slider.nth(2).focus(), page.keyboard.press("ArrowRight")))
    changes(page, name, "another number of workers", lambda: panel.locator("select").first.select_option("8"))


TRIALS = {"nbs/start.ipynb": try_topologies, "nbs/explore/topologies.ipynb": try_topologies, "nbs/explore/runs.ipynb": try_runs, "nbs/explore/advice.ipynb": try_advice}


def visit(browser, address: str, token: str, name: str, out: Path, seconds: float) -> None:
    "One notebook, from opening it to the screenshot."
    began = time.monotonic()
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE)
    try:
        page.goto(f"{address}/lab/workspaces/auto-{Path(name).stem}/tree/{name}?token={token}", timeout=1000 * PATIENCE)
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=1000 * PATIENCE)
        cells = run_all(page, name, max(PATIENCE, seconds - (time.monotonic() - began)))
        look(page, name, *NOTEBOOKS[name])
        if name in TRIALS:
            TRIALS[name](page, name)
        print(f"ok     {name}: {cells} cells, {page.locator(FIGURES).count()} figures, {page.locator(PANELS).count()} panels ({time.monotonic() - began:.0f} s)", flush=True)
    finally:
        photograph(page, out / f"{Path(name).stem}")


def photograph(page, stem: Path) -> None:
    "The page as it is, then the whole notebook."
    page.screenshot(path=f"{stem}.png", timeout=1000 * PATIENCE)
    height = page.evaluate("() => Math.max(900, ...[...document.querySelectorAll('.jp-WindowedPanel-inner')].map(p => p.scrollHeight + 150))")
    page.set_viewport_size({"width": 1280, "height": min(height, 6000)})
    page.wait_for_timeout(500)
    page.screenshot(path=f"{stem}-whole.png", timeout=1000 * PATIENCE)


def main(out: Path, names: list[str]) -> None:
    "All notebooks, one after the other, in one browser."
    from playwright.sync_api import Error, sync_playwright

    until = time.monotonic() + LIMIT
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as tmp:
        server, address, token = start_lab(Path(tmp))
        try:
            wait_for(server, address, token, Path(tmp) / "server.log")
            with sync_playwright() as play:
                browser = play.chromium.launch_persistent_context(f"{tmp}/browser", executable_path=BROWSER, headless=True, args=FLAGS, viewport={"width": 1280, "height": 900}, timeout=1000 * PATIENCE)
                for name in names:
                    try:
                        visit(browser, address, token, name, out, until - time.monotonic())
                    except Error as e:
                        raise Failed(f"{name}: {e.message.splitlines()[0]}") from None
                    for page in browser.pages[1:]:
                        page.close()
                browser.close()
        finally:
            with suppress(ProcessLookupError):  # it may have died by itself
                os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder for screenshots; default: a temporary one")
    parser.add_argument("--only", choices=NOTEBOOKS, action="append", help="this notebook only; may be repeated")
    options = parser.parse_args()
    if why := missing():
        print(f"skipped the lab's notebooks in a browser: {why}")
        sys.exit(0)
    try:
        main(options.out or Path(tempfile.mkdtemp(prefix="rscd-browser-")), options.only or list(NOTEBOOKS))
    except Failed as e:
        print(f"FAILED {e}")
        sys.exit(1)
