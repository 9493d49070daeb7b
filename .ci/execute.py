"""Executes notebooks in place, so that the site shows what they print and draw today. What `make test` skips is skipped here too.

python .ci/execute.py [NOTEBOOK ...], all by default"""
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parent.parent
FLAGS = set(get_config(path=ROOT).tst_flags.split())


def is_skipped(source: str) -> bool:
    "Whether a cell has one of the flags in settings.ini, or is not to be run at all."
    said = [line.removeprefix("#|").split() for line in source.splitlines() if line.startswith("#|")]
    return any(words and (words[0] in FLAGS or words == ["eval:", "false"]) for words in said)


class Client(NotebookClient):
    async def async_execute_cell(self, cell, cell_index, **options):
        return cell if is_skipped(cell.source) else await super().async_execute_cell(cell, cell_index, **options)


for path in map(Path, sys.argv[1:]) if sys.argv[1:] else sorted((ROOT / "nbs").rglob("*.ipynb")):
    path = path.resolve()
    if any(part.startswith((".", "_")) for part in path.relative_to(ROOT).parts):
        continue
    print(path.relative_to(ROOT), flush=True)
    notebook = nbformat.read(path, as_version=4)
    Client(notebook, timeout=1200, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}).execute()
    nbformat.write(notebook, path)
