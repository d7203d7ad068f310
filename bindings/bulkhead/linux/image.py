"""Makes an initramfs from Debian packages, our init, its jobs and our programs. Same packages and sources, same bytes."""

from __future__ import annotations

import hashlib
import json
import posixpath
import stat
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bootstrap.build import ROOT

from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import linux_programs
from bulkhead.linux import cpio
from bulkhead.linux.debian import Deb, alone, contents, fetch, store
from bulkhead.linux.kernel import keep, kernel_modules
from bulkhead.linux.libraries import is_elf, needed
from bulkhead.linux.recipe import IMAGE_PREFIX, SOURCES, Recipe, find_recipe, recipes

LIBRARIES = "usr/lib/x86_64-linux-gnu"
INTERPRETER = "usr/lib64/ld-linux-x86-64.so.2"
BUSYBOX = "usr/bin/busybox"
# Debian's merged /usr, for packages that still carry the old folders.
MERGED = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
FOLDERS = ("dev", "proc", "sys", "tmp", "root", "run")
Tree = dict[str, cpio.Entry]


def _merged(path: str) -> str:
    first, slash, rest = path.partition("/")
    return f"{MERGED[first]}/{rest}" if slash and first in MERGED else path


def _package_files(debs: tuple[Deb, ...]) -> Tree:
    """All files and links of some packages, at their places in a merged /usr."""
    tree: Tree = {}
    for deb in debs:
        for path, info, data in contents(deb):
            executable = bool(info.mode & stat.S_IXUSR)
            tree[_merged(path)] = cpio.link(info.linkname) if info.issym() else cpio.file(data, executable)
    return tree


def _resolve(files: Mapping[str, cpio.Entry], path: str) -> bytes | None:
    """A file's data behind at most eight links, as far as they stay in the packages."""
    for _ in range(8):
        entry = files.get(_merged(path))
        if entry is None or not stat.S_ISLNK(entry.mode):
            return entry.data if entry is not None else None
        path = posixpath.normpath(posixpath.join(posixpath.dirname(_merged(path)), entry.data.decode()))
        path = path.lstrip("/")
    return None


def _add_libraries(tree: Tree, files: Mapping[str, cpio.Entry], program: str) -> None:
    waiting = needed(tree[program].data)
    while waiting:
        name = waiting.pop()
        place = INTERPRETER if name.startswith("ld-linux") else f"{LIBRARIES}/{name}"
        if place in tree:
            continue
        found = (_resolve(files, f"{folder}/{name}") for folder in (LIBRARIES, "usr/lib64", "usr/lib"))
        data = next((data for data in found if data is not None), None)
        if data is None:
            raise BulkheadError(f"{program} needs {name}, which is in none of the image's packages")
        tree[place] = cpio.file(data, executable=True)
        waiting += needed(data)


def _chosen(recipe: Recipe, files: Mapping[str, cpio.Entry]) -> Tree:
    tree: Tree = {}
    for program in map(_merged, recipe.programs):
        data = _resolve(files, program)
        if data is None:
            raise BulkheadError(f"image {recipe.name}: no package of it holds {program}")
        tree[program] = cpio.file(data, executable=True)
        if is_elf(data):
            _add_libraries(tree, files, program)
    for wanted in map(_merged, recipe.files):
        found = {p: entry for p, entry in files.items() if p == wanted or p.startswith(f"{wanted}/")}
        if not found:
            raise BulkheadError(f"image {recipe.name}: no package of it holds {wanted}")
        tree.update(found)
    return tree


def _applets(busybox: bytes) -> Tree:
    """Links for every command that busybox has."""
    with tempfile.TemporaryDirectory(prefix="bulkhead-") as folder:
        copy = keep(Path(folder) / "busybox", busybox)
        copy.chmod(0o755)
        listed = subprocess.run([str(copy), "--list"], capture_output=True, text=True, check=True).stdout
    return {f"usr/bin/{name}": cpio.link("busybox") for name in listed.split() if name != "busybox"}


def _sources(recipe: Recipe) -> Tree:
    """Files of this project that go along, at the same places below src."""
    tree: Tree = {}
    for wanted in recipe.sources:
        start = ROOT / wanted
        found = sorted(p for p in start.rglob("*") if p.is_file()) if start.is_dir() else [start]
        for path in found:
            if not path.is_file():
                raise BulkheadError(f"image {recipe.name}: {wanted} is missing in {ROOT}")
            tree[f"src/{path.relative_to(ROOT)}"] = cpio.file(path.read_bytes())
    return tree


def _our_files(recipe: Recipe) -> Tree:
    """Init, its jobs, the programs that were built here, and sources."""
    tree = _sources(recipe)
    tree |= {"init": cpio.file((SOURCES / "init").read_bytes(), executable=True)}
    for path in sorted((SOURCES / "jobs").iterdir()):
        tree[f"jobs/{path.name}"] = cpio.file(path.read_bytes())
    others = {name for each in recipes().values() for name in each.built} - set(recipe.built)
    for path in linux_programs():
        if path.name in others:
            continue
        if not path.is_file():
            raise BulkheadError(f"{path} is not built; run ./bulkhead build")
        tree[f"usr/bin/{path.name}"] = cpio.file(path.read_bytes(), executable=True)
    return tree


def _frame() -> Tree:
    """Files that every image has before any file system is mounted."""
    tree = {name: cpio.directory(0o1777 if name == "tmp" else 0o755) for name in FOLDERS}
    tree |= {old: cpio.link(new) for old, new in MERGED.items()}
    tree |= {new: cpio.directory() for new in MERGED.values()}
    tree["dev/console"] = cpio.character_device(5, 1)
    tree["dev/null"] = cpio.character_device(1, 3, 0o666)
    # What the kernel starts when it is asked from outside; init is not busybox.
    for end in ("poweroff", "reboot", "halt"):
        tree[f"usr/sbin/{end}"] = cpio.file(f"#!/bin/sh\nexec /usr/bin/{end} -f\n".encode(), executable=True)
    tree["etc/passwd"] = cpio.file(b"root:x:0:0:root:/root:/bin/sh\n")
    tree["etc/group"] = cpio.file(b"root:x:0:\n")
    return tree


def packages_of(recipe: Recipe, refresh: bool = False) -> tuple[Deb, ...]:
    """The image's packages, as fetched before, so that they change only when asked."""
    wanted = hashlib.sha256("\n".join(sorted(recipe.packages)).encode()).hexdigest()[:16]
    record = store("sets") / f"{wanted}.json"
    if record.is_file() and not refresh:
        rows = [Deb(Path(path), name, version) for path, name, version in json.loads(record.read_text())]
        if all(deb.path.is_file() for deb in rows):
            return tuple(rows)
    debs = fetch(recipe.packages)
    keep(record, json.dumps([[str(deb.path), deb.name, deb.version] for deb in debs], indent=1).encode())
    return debs


def _key(recipe: Recipe, debs: tuple[Deb, ...], ours: Tree) -> str:
    """Names everything that decides the image's bytes."""
    digest = hashlib.sha256(repr(recipe).encode())
    for deb in debs:
        digest.update(f"{deb.name} {deb.version}\n".encode())
    for path in sorted(ours):
        digest.update(path.encode() + b"\0" + hashlib.sha256(ours[path].data).digest())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def build_image(recipe: Recipe, refresh: bool = False) -> Path:
    """The image's file, made if it is not there yet; `refresh` asks apt for newer packages.

    Beside it lies a JSON file with the packages' versions. BulkheadError if a package or a program is missing.
    """
    modules = kernel_modules(recipe.modules) if recipe.modules else {}
    with alone():
        return _build_image(recipe, refresh, modules)


def _build_image(recipe: Recipe, refresh: bool, modules: Mapping[str, bytes]) -> Path:
    debs, ours = packages_of(recipe, refresh), _our_files(recipe)
    ours |= {f"usr/lib/modules/{name}.ko": cpio.file(data) for name, data in modules.items()}
    path = store("images") / f"{recipe.name}-{_key(recipe, debs, ours)}.cpio"
    if path.is_file():
        return path
    files = _package_files(debs)
    busybox = _resolve(files, BUSYBOX)
    if busybox is None:
        raise BulkheadError(
            f"image {recipe.name} needs busybox-static among its packages: its init is a shell script"
        )
    tree = (
        _applets(busybox) | _frame() | {BUSYBOX: cpio.file(busybox, executable=True)} | _chosen(recipe, files)
    )
    versions = {deb.name: deb.version for deb in debs}
    keep(path.with_suffix(".json"), json.dumps(versions, indent=1).encode())
    return keep(path, cpio.archive(tree | ours))


def find_initrd(text: str) -> Path:
    """The file that `initrd=` means: a path, or image:NAME for an image of workloads/linux, made if need be."""
    return (
        build_image(find_recipe(text.removeprefix(IMAGE_PREFIX)))
        if text.startswith(IMAGE_PREFIX)
        else Path(text)
    )
