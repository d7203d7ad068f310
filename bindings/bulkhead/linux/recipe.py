"""The declaration of a Linux image: one small TOML file for each in workloads/linux/images. Reads and checks, builds nothing."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from bootstrap.build import ROOT

from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest

SOURCES = ROOT / "workloads" / "linux"
IMAGE_PREFIX = "image:"
LISTS = ("packages", "programs", "files", "sources", "modules", "built")


@dataclass(frozen=True)
class Recipe:
    """An image's declaration: Debian packages, and what of them goes in. Paths have no leading slash."""

    name: str
    help: str
    packages: tuple[str, ...]
    programs: tuple[str, ...] = ()  # with the shared libraries that they need
    files: tuple[str, ...] = ()  # files, or folders with all that is in them
    sources: tuple[str, ...] = ()  # of this project: files, or folders with all that is in them, below /src
    modules: tuple[str, ...] = ()  # of Debian's kernel: NAME becomes /lib/modules/NAME.ko
    built: tuple[str, ...] = ()  # of workloads/linux/programs, which images that do not name them leave out


def recipes(folder: Path = SOURCES / "images") -> dict[str, Recipe]:
    """Every declared image by name. SpecError if a declaration cannot be read."""
    return {path.stem: _read(path) for path in sorted(folder.glob("*.toml"))}


def find_recipe(name: str) -> Recipe:
    """One image by name. SpecError with a suggestion for an unknown name."""
    known = recipes()
    if name not in known:
        raise SpecError(f"unknown Linux image '{name}'{suggest(name, known)}")
    return known[name]


def _read(path: Path) -> Recipe:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: {error}") from None
    lists = {key: _texts(path, key, table.pop(key, [])) for key in LISTS}
    text = table.pop("help", None)
    if table:
        raise SpecError(f"{path}: unknown key '{min(table)}'; the keys are help, {', '.join(LISTS)}")
    if not isinstance(text, str) or not lists["packages"]:
        raise SpecError(f'{path}: write help = "..." and packages = [...]')
    return Recipe(path.stem, text, **lists)


def _texts(path: Path, key: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
        raise SpecError(f"{path}: {key} must be a list of texts")
    return tuple(value)
