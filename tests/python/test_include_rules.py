"""Direction of the C++ includes: DESIGN's import rules, read from the text of the sources.

A rule answers a reason for each include that it forbids, or None. To see what a rule refuses, read the tests of the
rules themselves at the end: they feed them made-up sources.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]

# From the ground up. Folders of one row do not include each other.
HV_LAYERS = (
    ("base",),
    ("arch",),
    ("trace",),
    ("mm",),
    ("event", "grant", "trap"),
    ("domain",),
    ("dispatch",),
    ("calls",),
    ("pae",),
    ("io",),
    ("plugin",),
    ("entry",),
)
RANK = {folder: rank for rank, row in enumerate(HV_LAYERS) for folder in row}
ROOF = "entry"

CONTRACTS = {f"{kind}/contract.hpp" for kind in ("sched", "memctl", "ringctl")}
# Headers of the standard library that GCC 12 and Clang 19 offer to a freestanding program, with the parts of
# <algorithm>, <array> and the like that need no allocation.
FREESTANDING = set(
    "algorithm array atomic bit climits compare concepts coroutine cstdarg cstddef cstdint cstring expected functional"
    " initializer_list iterator limits new numbers numeric optional ranges ratio source_location span string_view tuple"
    " type_traits utility variant version".split()
)


@dataclass(frozen=True)
class Include:
    """One #include directive: where it stands, what it names, and whether in quotes or angle brackets."""

    file: PurePosixPath  # from the root of the sources
    line: int
    target: str
    system: bool

    @property
    def folder(self) -> str:
        """The folder below hv/, or the first one."""
        parts = self.file.parts
        return parts[1] if parts[0] == "hv" and len(parts) > 2 else parts[0]

    @property
    def hv_target(self) -> str | None:
        """The folder below hv/ that the include leads to."""
        parts = PurePosixPath(self.target).parts
        return parts[1] if not self.system and len(parts) > 2 and parts[0] == "hv" else None


Rule = Callable[[Include], str | None]

DIRECTIVE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def includes_of(file: PurePosixPath, text: str) -> Iterator[Include]:
    """All #include directives of one source."""
    for match in DIRECTIVE.finditer(text):
        line = text.count("\n", 0, match.start(1) if match[1] else match.start(2)) + 1
        yield Include(file, line, match[1] or match[2], match[1] is None)


def sources(*folders: str) -> Iterator[Include]:
    """All includes below the given folders; a folder that does not exist has none."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".hpp", ".cpp", ".S", ".inc"):
                yield from includes_of(PurePosixPath(path.relative_to(ROOT).as_posix()), path.read_text())


def violations(includes: Iterable[Include], rule: Rule) -> list[str]:
    """One line for each include that the rule forbids: where, what, why."""
    return [
        f"{include.file}:{include.line} -> {include.target}: {reason}"
        for include in includes
        if (reason := rule(include)) is not None
    ]


def hv_header_direction(include: Include) -> str | None:
    """A header in hv/ includes headers of its own folder and of folders nearer the ground."""
    target = include.hv_target
    if include.file.suffix != ".hpp" or target is None or target == include.folder:
        return None
    for folder in (include.folder, target):
        if folder not in RANK:
            return f"hv/{folder} has no place in the order: add it to HV_LAYERS and to DESIGN"
    if RANK[target] < RANK[include.folder]:
        return None
    return (
        f"hv/{include.folder} lies below or beside hv/{target}: declare the type forward and reach it by pointer, "
        "or move the declaration nearer the ground"
    )


def roof_is_not_included(include: Include) -> str | None:
    """Only hv/entry includes hv/entry."""
    if include.hv_target == ROOF and include.folder != ROOF:
        return f"hv/{ROOF} is the roof: move the declaration to a folder below"
    return None


def host_is_freestanding(include: Include) -> str | None:
    """host/ knows the contracts and no world."""
    target = include.target
    if include.system:
        allowed = target in FREESTANDING or target.startswith("boost/intrusive/")
        return None if allowed else "host/ has the freestanding library and Boost.Intrusive alone"
    if target.startswith(("abi/", "plugin/", "host/")) or target in CONTRACTS:
        return None
    return "host/ includes only abi/, plugin/, the contracts and itself: ask the world for it by a template"


def worlds_are_apart(include: Include) -> str | None:
    """hv/ and sim/ do not include each other, and no policy."""
    if include.system:
        return None
    here, there = include.file.parts[0], PurePosixPath(include.target).parts[0]
    if {here, there} == {"hv", "sim"}:
        return f"{here}/ and {there}/ are two worlds: what both need belongs to host/, device/ or abi/"
    if there in ("sched", "memctl", "ringctl") and include.target not in CONTRACTS:
        return "a world is blind to policies: include the contract"
    return None


def check(folders: tuple[str, ...], rule: Rule) -> None:
    found = violations(sources(*folders), rule)
    assert not found, "\n".join(["forbidden includes:", *found])


def test_hv_headers_include_folders_nearer_the_ground() -> None:
    check(("hv",), hv_header_direction)


def test_nothing_includes_the_roof() -> None:
    check(("hv", "sim", "host", "tests", "guest", "bindings"), roof_is_not_included)


def test_every_folder_of_hv_has_a_place() -> None:
    assert {path.name for path in (ROOT / "hv").iterdir() if path.is_dir()} <= set(RANK)


def test_host_includes_contracts_and_the_freestanding_library() -> None:
    check(("host",), host_is_freestanding)


def test_hypervisor_and_simulator_do_not_include_each_other_or_a_policy() -> None:
    check(("hv", "sim"), worlds_are_apart)


def one(file: str, text: str, rule: Rule) -> list[str]:
    return violations(includes_of(PurePosixPath(file), text), rule)


def test_a_finding_names_file_line_and_include() -> None:
    text = '#pragma once\n\n#include <array>\n  #  include "hv/domain/vcpu.hpp"\n'
    (found,) = one("hv/mm/frame.hpp", text, hv_header_direction)
    assert found.startswith("hv/mm/frame.hpp:4 -> hv/domain/vcpu.hpp: ")


@pytest.mark.parametrize(
    ("rule", "file", "directive"),
    [
        (hv_header_direction, "hv/arch/pcpu.hpp", '"hv/domain/vcpu.hpp"'),
        (hv_header_direction, "hv/grant/map.hpp", '"hv/event/channel.hpp"'),
        (hv_header_direction, "hv/base/new.hpp", '"hv/fresh/new.hpp"'),
        (roof_is_not_included, "hv/dispatch/run.cpp", '"hv/entry/build_dom0.hpp"'),
        (roof_is_not_included, "sim/machine.cpp", '"hv/entry/build_dom0.hpp"'),
        (host_is_freestanding, "host/scheduler.hpp", '"hv/base/lock.hpp"'),
        (host_is_freestanding, "host/scheduler.hpp", '"sched/credit.cpp"'),
        (host_is_freestanding, "host/scheduler.hpp", "<vector>"),
        (worlds_are_apart, "sim/machine.cpp", '"hv/base/lock.hpp"'),
        (worlds_are_apart, "hv/plugin/scheduler.cpp", '"sim/world.hpp"'),
        (worlds_are_apart, "hv/plugin/scheduler.cpp", '"sched/round_robin.cpp"'),
    ],
)
def test_rules_refuse(rule: Rule, file: str, directive: str) -> None:
    assert len(one(file, f"#include {directive}\n", rule)) == 1


@pytest.mark.parametrize(
    ("rule", "file", "directive"),
    [
        (hv_header_direction, "hv/domain/domain.hpp", '"hv/mm/frame.hpp"'),
        (hv_header_direction, "hv/domain/domain.hpp", '"hv/domain/vcpu.hpp"'),
        (hv_header_direction, "hv/mm/frame.cpp", '"hv/domain/domain.hpp"'),
        (hv_header_direction, "hv/mm/frame.hpp", '"abi/types.hpp"'),
        (roof_is_not_included, "hv/entry/start.cpp", '"hv/entry/build_dom0.hpp"'),
        (host_is_freestanding, "host/scheduler.hpp", '"sched/contract.hpp"'),
        (host_is_freestanding, "host/scheduler.hpp", "<boost/intrusive/list.hpp>"),
        (worlds_are_apart, "sim/machine.cpp", '"sched/contract.hpp"'),
        (worlds_are_apart, "sim/machine.cpp", '"host/scheduler.hpp"'),
    ],
)
def test_rules_allow(rule: Rule, file: str, directive: str) -> None:
    assert one(file, f"#include {directive}\n", rule) == []


def test_a_commented_include_does_not_count() -> None:
    assert one("hv/mm/frame.hpp", '// #include "hv/domain/vcpu.hpp"\n', hv_header_direction) == []
