"""Programs and Python modules that packages bring: a missing one is one line with its package and what to type."""

from __future__ import annotations

import importlib.util
import os
import shutil

from bootstrap.packages import BASE, FRESH, LAYERS, PACKAGES, Package, SetupError, install_line, installed

MODULES = {"pytest", "hypothesis", "google.protobuf"}  # imported, not started


def _there(tool: str) -> bool:
    if tool not in MODULES:
        return shutil.which(tool) is not None
    try:
        return importlib.util.find_spec(tool) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False


def _set_up_by(package: Package) -> str:
    """The command that installs a package."""
    group = next(iter(package.groups))
    return "build" if group == BASE else f"test {group}" if group in (*LAYERS, FRESH) else group


def _line(tool: str, package: Package) -> str:
    if shutil.which("dpkg-query") and package.name in installed([package.name]):
        again = f"sudo apt-get install --reinstall {package.name}"
        return (
            f"{tool} is not on PATH though its package {package.name} is installed; mend PATH or run: {again}"
        )
    command = f"./bulkhead {_set_up_by(package)}"
    return f"{tool} is missing: {command} installs its package {package.name}; or: {install_line([package.name])}"


def lack(tool: str) -> str:
    """One line that says how to get a missing tool; empty if the tool is here."""
    package = next((package for package in PACKAGES if tool in package.tools), None)
    if package is None:
        raise KeyError(f"{tool} is in no package of bootstrap/packages.py")
    return "" if _there(tool) else _line(tool, package)


def lacking(groups: set[str]) -> list[str]:
    """A line for each tool that these groups' packages should have brought."""
    wanted = [tool for package in PACKAGES if groups.intersection(package.groups) for tool in package.tools]
    return [line for line in map(lack, wanted) if line]


def require(groups: set[str]) -> None:
    """SetupError with a line for each missing tool."""
    lines = lacking(groups)
    if lines:
        raise SetupError("\n".join(lines))


def explain(error: FileNotFoundError) -> str:
    """One line for a file or a program that was not found."""
    name = os.path.basename(str(error.filename))
    known = any(name in package.tools for package in PACKAGES)
    return (lack(name) if known else "") or f"{error.filename}: file or program not found"
