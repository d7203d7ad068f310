"""Debian packages as files: fetched with apt for an empty machine and unpacked here. Installs nothing, needs no root."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bootstrap.build import ROOT

from bulkhead.base.errors import BulkheadError

STORE = ROOT / "build" / "linux"


@dataclass(frozen=True)
class Deb:
    """A package's file in the store, and where it came from."""

    path: Path
    name: str
    version: str


def store(folder: str) -> Path:
    """A folder for what is fetched or made, outside of any one build so that it outlives it."""
    path = STORE / folder
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One process at a time fetches and makes; the next one finds what the first has made."""
    with open(store(".") / ".lock", "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _apt(tool: str, *words: str, lists: Path | None = None) -> subprocess.CompletedProcess[str]:
    """An apt tool that sees no installed package and keeps its files with ours; `lists` replaces the machine's own."""
    cache = store("apt")
    (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
    options = [
        f"Dir::Cache={cache}",
        "Debug::NoLocking=1",
        "APT::Sandbox::User=",
        "Dir::State::status=/dev/null",
    ]
    if lists is not None:
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        options.append(f"Dir::State::lists={lists}")
    yes = ["-q", "-y"] if tool == "apt-get" else []
    command = [tool, *yes, *(word for option in options for word in ("-o", option)), *words]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    try:
        return subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cache
        )
    except FileNotFoundError:
        raise BulkheadError(f"{tool} is not here: packages for guests are fetched on Debian 12") from None


def _apt_with_lists(tool: str, *words: str) -> str:
    """The same with the machine's lists, and if those are missing or too old, with fresh ones of our own."""
    result = _apt(tool, *words)
    if result.returncode != 0:
        lists = store("apt") / "lists"
        _apt("apt-get", "update", lists=lists)
        result = _apt(tool, *words, lists=lists)
    if result.returncode != 0:
        errors = [line for line in result.stderr.splitlines() if line.startswith("E:")]
        said = " ".join(errors[-3:]) or f"{tool} ended with status {result.returncode}"
        raise BulkheadError(f"Debian packages for Linux guests could not be fetched: {said}")
    return result.stdout


def fetch(packages: tuple[str, ...]) -> tuple[Deb, ...]:
    """These packages and all that they depend on, in order of their names. BulkheadError if apt cannot get them."""
    wanted = ["install", "--no-install-recommends", *packages]
    _apt_with_lists("apt-get", "--download-only", *wanted)
    lines = _apt_with_lists("apt-get", "--simulate", *wanted).splitlines()
    chosen = sorted(tuple(line.split()[1:3]) for line in lines if line.startswith("Inst "))
    return tuple(_stored(name, version.strip("()")) for name, version in chosen)


def fetch_alone(package: str) -> Deb:
    """One package without those it depends on, at the version that apt would install."""
    lines = _apt_with_lists("apt-cache", "show", "--no-all-versions", package).splitlines()
    version = next((line.split()[1] for line in lines if line.startswith("Version:")), "")
    folder = store("apt") / "archives"
    try:
        return _stored(package, version)
    except BulkheadError:
        _apt_with_lists("apt-get", "download", package)
    for path in store("apt").glob(f"{package}_*.deb"):
        path.replace(folder / path.name)
    return _stored(package, version)


def dependencies(package: str) -> list[str]:
    """Names of the packages that this one depends on directly."""
    lines = _apt_with_lists("apt-cache", "depends", "--important", package).splitlines()
    return [line.split()[-1] for line in lines if "Depends:" in line]


def _stored(name: str, version: str) -> Deb:
    found = sorted((store("apt") / "archives").glob(f"{name}_{version.replace(':', '%3a')}_*.deb"))
    if not version or not found:
        raise BulkheadError(f"apt did not leave {name} {version} in {store('apt')}/archives")
    return Deb(found[0], name, version)


def contents(deb: Deb, prefix: str = "") -> Iterator[tuple[str, tarfile.TarInfo, bytes]]:
    """Files and symbolic links of a package below `prefix`: path without a leading slash, its tar entry, its data."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
                for info in tar:
                    path = info.name.removeprefix("./")
                    if path.startswith(prefix) and (info.isfile() or info.issym()):
                        data = tar.extractfile(info) if info.isfile() else None
                        yield path, info, data.read() if data is not None else b""
        except tarfile.TarError:
            raise BulkheadError(f"{deb.path} is damaged; delete it and try again") from None
        finally:
            unpacking.kill()  # the caller may have seen enough
