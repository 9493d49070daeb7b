"""Packaging: every field comes from settings.ini, nbdev's one source of metadata."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import setup

ini = ConfigParser(delimiters=["="])
ini.read(Path(__file__).with_name("settings.ini"), encoding="utf-8")
cfg = ini["DEFAULT"]


def requirements(key: str) -> list[str]:
    """The requirements under a key, separated by white space; environment markers are written without spaces."""
    return cfg[key].split()


setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    author=cfg["author"],
    license="Apache-2.0",
    python_requires=f">={cfg['min_python']}",
    packages=[cfg["lib_path"]],
    install_requires=requirements("requirements"),
    extras_require={"dev": requirements("dev_requirements")}
    | {f"dali-cuda{v}": requirements(f"dali_cuda{v}_requirements") for v in (110, 120, 130)},
    # The second is how nbdev finds the index of names that it links from prose.
    entry_points={"console_scripts": [cfg["console_scripts"]], "nbdev": [f"{cfg['lib_path']}={cfg['lib_path']}._modidx:d"]},
)
