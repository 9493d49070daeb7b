"""Writes the reports and the README again from the committed records, by `rscd report` in another folder, and compares: text to the letter, figures pixel by pixel (processors differ in the last digit of a sum)."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent


def pixels(path: Path) -> np.ndarray:
    """A picture's values from 0 to 255."""
    return np.asarray(Image.open(path).convert("RGB"), dtype=float)


def differs(old: Path, new: Path) -> bool:
    """Whether a file of the report has changed."""
    if not (old.is_file() and new.is_file()):
        return True
    if old.suffix != ".png":
        return old.read_text() != new.read_text()
    a, b = pixels(old), pixels(new)
    return a.shape != b.shape or np.abs(a - b).mean() > 0.1


with tempfile.TemporaryDirectory() as tmp:
    again = Path(tmp)
    command = [sys.executable, "-m", "rscd_nb.cli", "report", "--runs", str(ROOT / "reports" / "records"), "--out", "reports", "--readme", "README.md"]
    said = subprocess.run(command, cwd=again, env=os.environ | {"PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "the report is in reports/results.md" in said and (again / "reports" / "report.html").is_file(), said
    names = {p.relative_to(folder) for folder in (ROOT, again) for p in (folder / "reports" / "figures").glob("*.png")}
    changed = [str(n) for n in sorted(names | {Path("README.md"), Path("reports/method.md"), Path("reports/results.md")}) if differs(ROOT / n, again / n)]
print("the reports come out as they are committed" if not changed else f"make reports would change {', '.join(changed)}")
sys.exit(bool(changed))
