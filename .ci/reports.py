"""Writes the reports and the README again from the committed records and compares: text to the letter, figures pixel by pixel (processors differ in the last digit of a sum)."""
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from rscd_nb.report import write_readme, write_reports

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
    write_reports(ROOT / "reports" / "records", again / "reports")
    write_readme(again / "reports", again / "README.md")
    names = {p.relative_to(folder) for folder in (ROOT, again) for p in (folder / "reports" / "figures").glob("*.png")}
    changed = [str(n) for n in sorted(names | {Path("README.md"), Path("reports/method.md"), Path("reports/results.md")}) if differs(ROOT / n, again / n)]
print("the reports come out as they are committed" if not changed else f"make reports would change {', '.join(changed)}")
sys.exit(bool(changed))
