"""Checks of the documentation: links lead somewhere, everything public is explained, every notebook is in the sidebar, no page is made by running experiments. A line for each finding."""
import ast
import dataclasses
import importlib
import inspect
import json
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from types import GenericAlias
from urllib.parse import unquote, urldefrag

import yaml
from fastcore.docments import docments
from markdown_it import MarkdownIt
from pydantic import BaseModel

from docs import add_pages

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


# Links


def targets(text: str) -> list[str]:
    "Where the links and images of a Markdown text lead. Code has none."
    tokens = [child for token in MarkdownIt().parse(text) for child in token.children or [token]]
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens if token.type in ("link_open", "image")]
    html = "\n".join(token.content for token in tokens if token.type.startswith("html"))
    return [str(target) for target in found] + re.findall(r"""(?:href|src)=["']([^"']+)""", html)


def anchors(text: str, dots: bool) -> set[str]:
    "The names by which a text's headings can be linked: GitHub's, or with dots and from the first letter on, Pandoc's."
    tokens = MarkdownIt().parse(text)
    titles = [re.sub(r"[`*]|\s*\{[^}]*\}$", "", after.content) for token, after in zip(tokens, tokens[1:]) if token.type == "heading_open"]
    slugs = [re.sub(r"\s", "-", re.sub(r"[^\w\s.-]" if dots else r"[^\w\s-]", "", title.strip().lower())) for title in titles]
    return {re.sub(r"^[^a-z]+", "", slug) if dots else slug for slug in slugs}


def is_elsewhere(target: str) -> bool:
    return re.match(r"[a-z][a-z0-9+.-]*:", target) is not None


def check_markdown(path: Path, root: Path = ROOT) -> list[str]:
    "A file that is read where it lies, below `root`."
    text, wrong = path.read_text(), []
    for target in filter(lambda t: not is_elsewhere(t), targets(text)):
        file, anchor = urldefrag(unquote(target))
        to = path.parent / file if file else path
        if not to.exists():
            wrong.append(f"{path.relative_to(root)}: {target} does not exist")
        elif anchor and to.suffix == ".md" and anchor not in anchors(to.read_text(), dots=False):
            wrong.append(f"{path.relative_to(root)}: {target} has no such heading")
    return wrong


def process_notebooks(tree: Path) -> None:
    "What `make docs` does before it calls `.ci/docs.py` and Quarto."
    from nbdev.serve import proc_nbs

    os.chdir(tree)
    sys.path.insert(0, str(tree))
    warnings.simplefilter("ignore")
    proc_nbs(n_workers=0)


def make_pages(folder: Path) -> Path:
    "The notebooks as nbdev hands them to Quarto, made in a copy of the tree."
    script = 'git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"; cd "$0"; git init -q'
    subprocess.run(["bash", "-c", script, str(folder)], cwd=ROOT, check=True)
    process = multiprocessing.get_context("fork").Process(target=process_notebooks, args=(folder,))  # what this process has imported need not be imported again
    process.start()
    process.join()
    if process.exitcode:
        sys.exit("the pages cannot be made")
    return folder / "_proc"


def page_text(notebook: dict) -> str:
    "A page's Markdown: its prose, and what nbdev writes about functions and classes."
    texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown"]
    outputs = [output for cell in notebook["cells"] for output in cell.get("outputs", [])]
    return "\n\n".join(texts + ["".join(output.get("data", {}).get("text/markdown", "")) for output in outputs])


def file_name(notebook: dict) -> str | None:
    "The file that Quarto writes a page to."
    front = [yaml.safe_load("".join(cell["source"]).strip().strip("-")) for cell in notebook["cells"] if cell["cell_type"] == "raw"]
    return next((matter["output-file"] for matter in front if matter and "output-file" in matter), None)


def check_pages(proc: Path, site: str) -> list[str]:
    "Links between pages, by their notebook's name or by their own; two pages of one name."
    notebooks = {path.relative_to(proc): json.loads(path.read_text()) for path in sorted(proc.rglob("*.ipynb"))}
    texts = {path: page_text(notebook) for path, notebook in notebooks.items()}
    pages, wrong = {}, []
    for path, notebook in notebooks.items():
        page = path.with_name(file_name(notebook) or f"{path.stem}.html")
        if page in pages:
            wrong.append(f"{path}: its page {page} is that of {pages[page]} too; rename one of them")
        pages.setdefault(page, path)
    for path, text in texts.items():
        for target in targets(text):
            if target.startswith(site):  # nbdev's own, from a name in backticks
                file, anchor = urldefrag(target.removeprefix(site))
                to, by_nbdev = Path(file), True
            elif is_elsewhere(target):
                continue
            else:
                file, anchor = urldefrag(unquote(target))
                to, by_nbdev = Path(os.path.normpath(path.parent / file)) if file else path, False
            to = pages.get(to, to)
            if to not in notebooks and not (proc / to).is_file():
                wrong.append(f"{path}: {target} does not exist")
            elif anchor and to in notebooks:
                # nbdev links a method by Class.method, but a class has one heading.
                known = anchors(texts[to], dots=True)
                if anchor not in known and not (by_nbdev and anchor.split(".")[0] in known):
                    wrong.append(f"{path}: {target} has no such heading")
    if not any(target.startswith(site) for text in texts.values() for target in targets(text)):
        wrong.append("no name in backticks has become a link: nbdev finds them by the package's entry point, so install it again with pip install -e .")
    return wrong


# Explanations


def is_explained(function, name: str, cls: type | None) -> bool:
    return bool(function.__doc__) or bool(cls and any(getattr(getattr(base, name, None), "__doc__", None) for base in cls.__mro__[1:]))


def unexplained_parameters(function, name: str, cls: type | None = None) -> list[str]:
    "Parameters without a comment, here or in the method that this one overrides."
    explained = {}
    for base in (*reversed(cls.__mro__[1:]), None) if cls else (None,):
        owner = vars(base).get(name) if base else function
        if owner is not None and inspect.isfunction(inspect.unwrap(getattr(owner, "__func__", owner))):
            explained |= {k: v for k, v in docments(inspect.unwrap(getattr(owner, "__func__", owner))).items() if v}
    kinds = inspect.signature(function).parameters.values()  # those of a command are explained by its help
    explained |= {p.name: "--help" for p in kinds if any(getattr(about, "help", None) for about in getattr(p.annotation, "__metadata__", ()))}
    return [p.name for p in kinds if p.name not in ("self", "cls") and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) and p.name not in explained]


def check_function(where: str, function, name: str, cls: type | None = None) -> list[str]:
    wrong = [] if is_explained(function, name, cls) else [f"{where} has no docstring"]
    return wrong + [f"{where}: parameter {p} has no comment" for p in unexplained_parameters(function, name, cls)]


def check_class(where: str, cls: type) -> list[str]:
    wrong = [] if cls.__dict__.get("__doc__") else [f"{where} has no docstring"]
    if issubclass(cls, BaseModel):  # its fields carry their description
        return wrong + [f"{where}.{field} has no description" for field, about in cls.model_fields.items() if not about.description and not issubclass(about.annotation, BaseModel)]
    is_dataclass = "__dataclass_fields__" in vars(cls)
    if is_dataclass:
        explained = docments(cls)
        wrong += [f"{where}: field {field.name} has no comment" for field in dataclasses.fields(cls) if field.init and not explained.get(field.name)]
    for name, member in vars(cls).items():
        function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not inspect.isfunction(function) or function.__module__ != cls.__module__:
            continue
        if name == "__init__" and not is_dataclass:
            wrong += [f"{where}: parameter {p} has no comment" for p in unexplained_parameters(function, name, cls)]
        elif not name.startswith("_"):
            wrong += check_function(f"{where}.{name}", function, name, cls)
    return wrong


def check_package(package: Path) -> list[str]:
    "Every public function, class and method, and their parameters. Commands explain their options in Annotated help."
    wrong = []
    for path in sorted(package.glob("[!_]*.py")):
        module = importlib.import_module(f"{package.name}.{path.stem}")
        for name in module.__all__:
            thing = getattr(module, name)
            if inspect.isclass(thing):
                wrong += check_class(f"{path.stem}.{name}", thing)
            elif callable(thing) and not isinstance(thing, GenericAlias) and not hasattr(thing, "registered_commands"):
                wrong += check_function(f"{path.stem}.{name}", inspect.unwrap(thing), name)
    return wrong


# Cells


def does_more_than_import(source: str) -> bool:
    "Whether a cell imports, be it in a function, and also does something; to define is not to do."
    tree = ast.parse(re.sub(r"(?m)^\s*[%!].*$", "", source))
    imports = any(isinstance(node, (ast.Import, ast.ImportFrom)) for node in ast.walk(tree))
    return imports and not all(isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)) for node in tree.body)


def check_cells(nbs: Path) -> list[str]:
    "nbdev executes every cell that imports when it makes a module's page: one that goes on to measure something would do so there, too."
    wrong = []
    for path in sorted(nbs.glob("[0-9]*.ipynb")):
        for cell in json.loads(path.read_text())["cells"]:
            source = "".join(cell["source"])
            if cell["cell_type"] == "code" and not re.match(r"#\| (export|eval: false)", source) and does_more_than_import(source):
                wrong.append(f"{path.relative_to(ROOT)}: the cell {source.splitlines()[0]!r} imports and does more; divide it")
    return wrong


# The sidebar


def in_sidebar(contents: list) -> list[str]:
    "The files that a sidebar's contents name."
    files = [item if isinstance(item, str) else item.get("href") for item in contents]
    return [file for file in files if file] + [file for item in contents if isinstance(item, dict) for file in in_sidebar(item.get("contents", []))]


def check_sidebar(nbs: Path) -> list[str]:
    listed = in_sidebar(yaml.safe_load((nbs / "sidebar.yml").read_text())["website"]["sidebar"]["contents"])
    there = {str(path.relative_to(nbs)) for path in nbs.rglob("*.ipynb") if not any(part.startswith((".", "_")) for part in path.relative_to(nbs).parts)}
    return (
        [f"nbs/sidebar.yml: {name} is missing" for name in sorted(there - set(listed))]
        + [f"nbs/sidebar.yml: {name} does not exist" for name in sorted(set(listed) - there)]
        + [f"nbs/sidebar.yml: {name} is there twice" for name in sorted({name for name in listed if listed.count(name) > 1})]
    )


def main() -> None:
    from nbdev.config import get_config

    if findings := check_cells(ROOT / "nbs"):
        sys.exit("\n".join(findings))
    with tempfile.TemporaryDirectory() as folder:
        pages = make_pages(Path(folder))
        config = get_config(path=ROOT)  # remembered, by the process that makes the pages as well
        findings = check_pages(pages, f"{config.doc_host}{config.doc_baseurl}/")
        for path in add_pages(pages):
            findings += check_markdown(path, pages)
    for path in (*sorted(ROOT.glob("*.md")), *sorted(ROOT.glob("reports/*.md"))):
        findings += check_markdown(path)
    findings += check_package(ROOT / config.lib_path.name) + check_sidebar(ROOT / "nbs")
    print("\n".join(findings) or "links, explanations and sidebar are whole")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
