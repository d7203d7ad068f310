"""The workloads that are built: victims and attacks, as the guest image itself lists them in an ELF section."""

from __future__ import annotations

import functools
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from bulkhead import _core
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.paths import ROOT, bare_workload_image, narrow_workload_image, workload_image
from bulkhead.base.text import suggest
from bulkhead.model.spec import ABIS, NARROW, WIDE, WORKLOAD_PREFIX, Guest, Paging

SECTION = ".bulkhead.workloads"
COMMON = "common"
SWAP = "swap_us"  # the option that a workload with a model of paging has
PHASE = "phase_ns"  # the option that a workload with a periodic activity has
BARE = {"attacks": "attack", "victims": "victim"}
REQUIRED = "-"
IMAGE, MODEL = ".elf", ".model.so"  # of a workload outside of the checkout


@dataclass(frozen=True)
class Option:
    """One option of a workload's command line; `initial` is "-" if it must be given."""

    name: str
    unit: str
    initial: str
    help: str


@dataclass(frozen=True)
class Workload:
    """One workload and the image it is in; `sort` is victim or attack."""

    name: str
    sort: str
    summary: str
    options: tuple[Option, ...]
    image: Path


def _records(section: bytes) -> list[list[str]]:
    """Texts of each record: a record ends with an empty text, zero bytes between records are padding."""
    records: list[list[str]] = [[]]
    for field in section.split(b"\0"):
        if field:
            records[-1].append(field.decode("utf-8", "replace"))
        elif records[-1]:
            records.append([])
    return [record for record in records if record]


def section_records(image: Path) -> list[list[str]]:
    """The records that an image of ours lists about itself. BulkheadError if it is not built or not readable."""
    if not image.is_file():
        raise BulkheadError(f"{image} is not built; run ./bulkhead build")
    try:
        return _records(_core.read_section(str(image), SECTION))
    except ValueError as error:
        raise BulkheadError(f"{image}: {error}; run ./bulkhead build") from None


def _opening_comment(path: Path) -> str:
    words = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("//"):
            break
        words.append(line.lstrip("/").strip())
    return " ".join(words)


@functools.cache
def _bare_workloads() -> dict[str, Workload]:
    """Kernels of their own, in assembly: they have no options, and their file's opening comment says what they are."""
    found = {}
    for folder, sort in BARE.items():
        for path in sorted((ROOT / "workloads" / folder).glob("*.S")):
            found[path.stem] = Workload(
                path.stem, sort, _opening_comment(path), (), bare_workload_image(path.stem)
            )
    return found


def _tables(image: Path) -> dict[str, Workload]:
    tables = {}
    for sort, name, summary, *options in section_records(image):
        rows = tuple(Option(*options[i : i + 4]) for i in range(0, len(options) - 3, 4))
        tables[name] = Workload(name, sort, summary, rows, image)
    return tables


@functools.cache
def _built_tables() -> dict[str, Workload]:
    return _tables(workload_image())


def _common(tables: dict[str, Workload]) -> tuple[Option, ...]:
    return _given_by_user([o for table in tables.values() if table.sort == COMMON for o in table.options])


def common_options() -> tuple[Option, ...]:
    """The options that every workload has, without the one that Python itself writes."""
    return _common(_built_tables())


def _with_common(tables: dict[str, Workload]) -> dict[str, Workload]:
    common = _common(tables)
    return {
        name: replace(table, options=table.options + common)
        for name, table in tables.items()
        if table.sort != COMMON
    }


def workloads() -> dict[str, Workload]:
    """Every workload by name. BulkheadError if the guest image is not built."""
    return {**_with_common(_built_tables()), **_bare_workloads()}


def is_outside(name: str) -> bool:
    """Whether `workload:NAME` means an image outside of the checkout: NAME is then the path of its file."""
    return "/" in name or name.endswith(IMAGE)


def find_workload(name: str) -> Workload:
    """A workload by name, or by the path of its image. SpecError for an unknown one."""
    if is_outside(name):
        return _outside(Path(name).expanduser())
    known = workloads()
    if name not in known:
        raise SpecError(f"unknown workload '{name}'{suggest(name, known)}")
    return known[name]


def _outside(image: Path) -> Workload:
    """The one workload of an image; of several, the one that is named as its file."""
    if not image.is_file():
        raise SpecError(f"workload {image}: the file does not exist; build it with ./bulkhead build --in DIR")
    try:
        found = _with_common(_tables(image))
    except BulkheadError:
        raise SpecError(
            f"workload {image} is not an image of a workload; build one from NAME.workload.cpp with "
            "./bulkhead build --in DIR, or write kernel=PATH for any other kernel"
        ) from None
    if len(found) == 1:
        return next(iter(found.values()))
    if image.stem not in found:
        raise SpecError(
            f"workload {image} has {len(found)} workloads and none is named '{image.stem}': {', '.join(found)}"
        )
    return found[image.stem]


def check_abi(spec: Guest) -> None:
    """SpecError for an unknown ABI, and for `abi=` on a guest that is not a workload."""
    if spec.abi not in ABIS:
        raise SpecError(f"guest {spec.name}: unknown abi '{spec.abi}'; write {' or '.join(ABIS)}")
    if spec.abi != WIDE and not spec.kernel.startswith(WORKLOAD_PREFIX):
        raise SpecError(
            f"guest {spec.name}: abi={spec.abi} is for workloads; the file of any other kernel says what it is"
        )


@functools.cache
def _narrow_tables() -> dict[str, Workload]:
    return _tables(narrow_workload_image())


def has_narrow(name: str) -> bool:
    """Whether a workload is built for 32 bits too."""
    return not is_outside(name) and name in _narrow_tables()


def image_of(spec: Guest, workload: Workload) -> Path:
    """The image of a workload for the guest's ABI. SpecError if it is not built for that."""
    if spec.abi != NARROW:
        return workload.image
    if workload.image != workload_image() or workload.name not in _narrow_tables():
        raise SpecError(f"guest {spec.name}: workload '{workload.name}' is not built for abi={NARROW}")
    return narrow_workload_image()


def model_file(workload: Workload) -> Path | None:
    """The simulator's model beside the image of a workload outside of the checkout; None for other workloads."""
    return None if workload.image.parent == workload_image().parent else workload.image.with_suffix(MODEL)


def with_paging(words: str, options: Container[str], paging: Paging) -> str:
    """The command line with the machine's time to read a page, for a workload that pages and is not told another."""
    if SWAP not in options or any(word.startswith(f"{SWAP}=") for word in words.split()):
        return words
    return f"{words} {SWAP}={paging.swap_us}".lstrip()


def with_phase(spec: Guest, options: Container[str]) -> str:
    """The guest's command line with its phase. SpecError if the workload, with these options, has nothing periodic."""
    if not spec.phase:
        return spec.cmdline
    if PHASE not in options:
        raise SpecError(
            f"guest {spec.name}: {spec.kernel} has no periodic activity that phase= could shift; leave phase out"
        )
    if any(word.startswith(f"{PHASE}=") for word in spec.cmdline.split()):
        raise SpecError(f"guest {spec.name}: {PHASE} in cmdline and phase= are the same; give one of them")
    return f"{spec.cmdline} {PHASE}={spec.phase}".lstrip()


def _given_by_user(common: list[Option]) -> tuple[Option, ...]:
    """The common options without the one that Python itself writes."""
    return tuple(option for option in common if option.name != "workload")


def check_workload(name: str, cmdline: str) -> Workload:
    """SpecError with a suggestion for an unknown workload, an unknown option or a missing one."""
    workload = find_workload(name)
    name = workload.name
    options = {option.name for option in workload.options}
    given = [word.partition("=")[0] for word in cmdline.split()]
    for word in given:
        if word not in options:
            raise SpecError(f"workload {name} has no option '{word}'{suggest(word, options)}")
    for option in workload.options:
        if option.initial == REQUIRED and option.name not in given:
            raise SpecError(f"workload {name} needs {option.name}=... in cmdline: {option.help}")
    return workload
