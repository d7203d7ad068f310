"""`pip install --no-build-isolation .`: builds the checkout and installs it as packaging/stage.py lays it out. Needs no network
where Debian's packages are there (`./bulkhead doctor`)."""

from __future__ import annotations

import shutil
import sys
from collections import defaultdict
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT / "bindings"), str(ROOT / "packaging")]

from bootstrap.build import build  # noqa: E402
from stage import stage  # noqa: E402

STAGED = Path("build") / "wheel"


class Built(Distribution):
    """One for this processor and this Python."""

    def has_ext_modules(self) -> bool:
        return True

    def has_pure_modules(self) -> bool:
        """So that build_py runs: there is the line for Python, though no module."""
        return True


class WithPath(build_py):
    """Adds the line that lets Python find the installed tree."""

    def run(self) -> None:
        super().run()
        self.mkpath(self.build_lib)
        self.copy_file(str(ROOT / "packaging" / "bulkhead.pth"), self.build_lib)


def data_files() -> list[tuple[str, list[str]]]:
    """The staged files by folder, if this is a build."""
    if not {"bdist_wheel", "install", "build"} & set(sys.argv):
        return []
    build()
    shutil.rmtree(ROOT / STAGED, ignore_errors=True)
    folders = defaultdict(list)
    for name in stage(ROOT / STAGED):
        folders[str(name.parent)].append(str(STAGED / name))
    return sorted(folders.items())


setup(distclass=Built, cmdclass={"build_py": WithPath}, packages=[], py_modules=[], data_files=data_files())
