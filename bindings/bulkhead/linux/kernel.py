"""Finds a guest's kernel: a path, a pattern, or Debian's own. A bzImage becomes the ELF file that the domain builder reads."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import tempfile
from pathlib import Path

from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.linux.bzimage import is_bzimage, unpack_bzimage
from bulkhead.linux.debian import alone, contents, dependencies, fetch_alone, store
from bulkhead.linux.slim import slim

DEBIAN_KERNEL = "debian:linux"
META_PACKAGE = "linux-image-amd64"
INSTALLED = "/boot/vmlinuz-*"


def keep(path: Path, data: bytes) -> Path:
    """Write a file of the store atomically, also while another process writes the same file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with open(handle, "wb") as file:
        file.write(data)
    os.chmod(name, 0o644)
    os.replace(name, path)
    return path


def _by_version(path: str) -> list[tuple[int, str]]:
    """Sorts 6.1.0-9 before 6.1.0-56."""
    return [(int(number or -1), text) for number, text in re.findall(r"(\d+)|(\D+)", path)]


def newest(pattern: str) -> Path | None:
    """The file that matches a pattern and has the highest version in its name."""
    found = sorted((path for path in glob.glob(pattern) if os.path.isfile(path)), key=_by_version)
    return Path(found[-1]) if found else None


def debian_kernel() -> Path:
    """Debian's vmlinuz as packaged: the installed one if there is one, else taken out of its package.

    BulkheadError if it is neither here nor to be had.
    """
    installed = newest(f"{INSTALLED}-amd64")
    if installed is not None and os.access(installed, os.R_OK):
        return installed
    with alone():
        return newest(str(store("kernels") / "vmlinuz-*")) or _fetch_kernel()


def _fetch_kernel() -> Path:
    packages = [name for name in dependencies(META_PACKAGE) if name.startswith("linux-image-")]
    if not packages:
        raise BulkheadError(f"apt does not say which kernel {META_PACKAGE} is")
    for path, _info, data in contents(fetch_alone(packages[0]), "boot/vmlinuz-"):
        return keep(store("kernels") / Path(path).name, data)
    raise BulkheadError(f"package {packages[0]} holds no vmlinuz")


def kernel_modules(names: tuple[str, ...]) -> dict[str, bytes]:
    """Modules of Debian's kernel by their names, as packaged. BulkheadError if one is missing."""
    release = debian_kernel().name.removeprefix("vmlinuz-")
    found: dict[str, bytes] = {}
    for path in Path("/lib/modules", release).rglob("*.ko"):
        if path.stem in names:
            found[path.stem] = path.read_bytes()
    if len(found) < len(names):
        with alone():
            package = fetch_alone(f"linux-image-{release}")
        for name, info, data in contents(package, f"lib/modules/{release}/"):
            if info.isfile() and Path(name).stem in names:
                found[Path(name).stem] = data
            if len(found) == len(names):
                break
    missing = set(names) - set(found)
    if missing:
        raise BulkheadError(f"Debian's kernel {release} has no module {min(missing)}")
    return found


def find_kernel(text: str, what: str) -> Path:
    """The file that `kernel=` means: a path, a pattern (its highest version), or debian:linux.

    /boot/vmlinuz-* finds Debian's kernel also where none is installed. SpecError says what to write instead.
    """
    if text == DEBIAN_KERNEL:
        return debian_kernel()
    if glob.has_magic(text) and not os.path.exists(text):
        found = newest(text)
        if found is None and text == INSTALLED:
            return debian_kernel()
        if found is None:
            raise SpecError(
                f"{what}: no file matches {text}; write a path, or {DEBIAN_KERNEL} for Debian's kernel"
            )
        return found
    return Path(text)


def loadable(path: Path) -> Path:
    """The ELF file inside of a bzImage, unpacked once; any other file as it is. ValueError for a damaged bzImage."""
    data = path.read_bytes()
    if not is_bzimage(data):
        return path
    unpacked = store("kernels") / f"{hashlib.sha256(data).hexdigest()[:32]}.elf"
    return unpacked if unpacked.is_file() else keep(unpacked, slim(unpack_bzimage(data)))
