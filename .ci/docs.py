"""The site's pages that are not notebooks: README as its home, Method, and Results with a page a question. They go into _proc, where `nbdev_proc_nbs` has put the others."""
import re
import shutil
import sys
from pathlib import Path

import yaml
from nbdev.config import get_config

ROOT = Path(__file__).resolve().parent.parent
QUESTION = re.compile(r"^## (\d+)\. (.+)$", re.M)
FIGURE = re.compile(r"^!\[([^\]\"]+)\]\((\S+)\)(?=\n\n\*\w)", re.M)  # with a caption below it: Quarto would print its description as a second one
ROW = re.compile(r"^\|.*$", re.M)  # of a table


def divided(results: str) -> tuple[str, dict[int, tuple[str, str]]]:
    "Results without its questions, a list of links in their place; and by number each question, and what is said of it."
    sections = re.split(r"^(?=## )", results, flags=re.M)
    found = {int(m[1]): (m[2], section) for section in sections if (m := QUESTION.match(section))}
    rest = [section for section in sections if not QUESTION.match(section)]
    links = "".join(f"{number}. [{question}](question-{number:02}.md)\n" for number, (question, _) in found.items())
    words = next(k for k, section in enumerate(rest) if section.startswith("## Words"))
    return "".join([*rest[: words + 1], f"## The questions\n\n{links}\n", *rest[words + 1 :]]), found


def one_page(question: str, section: str) -> str:
    "A question's section as a page: its headings go up by one level."
    return QUESTION.sub(f"# {question}", section, count=1).replace("\n### ", "\n## ")


def add_pages(tree: Path) -> list[Path]:  # the Markdown files that it wrote
    "Home, Method, Results and the questions, with their figures and their places in navigation bar and sidebar."
    records = f"]({get_config(path=ROOT).git_url}/blob/main/reports/records/"
    reports = tree / "reports"
    shutil.copytree(ROOT / "reports" / "figures", reports / "figures", dirs_exist_ok=True)
    (tree / "index.ipynb").unlink()
    results, questions = divided((ROOT / "reports" / "results.md").read_text())
    pages = {tree / "index.md": (ROOT / "README.md").read_text(), reports / "method.md": (ROOT / "reports" / "method.md").read_text(), reports / "results.md": results}
    pages |= {reports / f"question-{number:02}.md": one_page(*said) for number, said in questions.items()}
    for path, text in pages.items():
        text = ROW.sub(lambda row: row[0].replace(" ± ", "\u00a0±\u00a0"), text)  # a number stays beside its interval
        path.write_text(FIGURE.sub(r'![](\2){fig-alt="\1"}', text.replace("](records/", records)))
    edit_navigation(tree, [path.relative_to(tree).as_posix() for path in pages][1:])
    return list(pages)


def edit_navigation(tree: Path, pages: list[str]) -> None:
    "The reports' pages before the notebooks that write them."
    quarto, sidebar = (yaml.safe_load((tree / name).read_text()) for name in ("_quarto.yml", "sidebar.yml"))
    for item in quarto["website"]["navbar"]["left"]:
        item["href"] = re.sub(r"^analysis/(\w+)\.ipynb$", r"reports/\1.md", item["href"])
    contents = sidebar["website"]["sidebar"]["contents"]
    contents[contents.index("index.ipynb")] = "index.md"
    section = next(item for item in contents if isinstance(item, dict) and "analysis/results.ipynb" in item["contents"])
    named = [{"href": name, "text": f"How {Path(name).stem.capitalize()} is written"} for name in section["contents"]]  # the notebook has its page's title
    section["contents"] = [*pages, *named]
    for name, content in (("_quarto.yml", quarto), ("sidebar.yml", sidebar)):
        (tree / name).write_text(yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


if __name__ == "__main__":
    print(f"{len(add_pages(Path(sys.argv[1])))} pages are in {sys.argv[1]}")
