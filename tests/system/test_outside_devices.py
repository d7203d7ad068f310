"""Workloads outside of the tree that use a disk or their memory: the tree's own, under other names, do what they do there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from bulkhead.backend.sim import simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import ROOT
from bulkhead.cli import main
from machines import MILLISECOND, boot

from bulkhead import MIB, Disk, Guest, GuestDisk, Machine, Paging, Policy

REGISTERED = """
namespace bulkhead::sim {{
constexpr Model {name}{{.name = "{name}", .help = "", .options = {{}}, .program = {program}, .pages = {pages}}};
BULKHEAD_MODEL({name})
}} // namespace bulkhead::sim
"""
# The tree's workload, the file of its model, the model's coroutine, and whether it asks for memory page by page.
COPIED = {
    "my_reader": ("disk", "sim/models/disk.cpp", "disk", "false"),
    "my_pager": ("memory", "sim/models/memory.cpp", "memory_user", "true"),
}
DISK = (GuestDisk(2 * MIB),)
DISKS = Machine(
    guests=(
        Guest("own", "workload:disk", "depth=2 bytes=8192", memory=8 * MIB, disks=DISK),
        Guest("flood", "workload:disk_flood", memory=8 * MIB, disks=DISK),
    ),
    disk=Disk(),
    ringctl=Policy("drr"),
    duration=100 * MILLISECOND,
    end_when_idle=False,
)
MEMORIES = Machine(
    guests=(
        Guest("own", "workload:memory", "work_us=50", memory=4 * MIB, max_memory=24 * MIB),
        Guest("hoard", "workload:memory_hoard", memory=4 * MIB, max_memory=40 * MIB),
    ),
    memctl=Policy("proportional_share"),
    memory=120 * MIB,
    dom0_memory=32 * MIB,
    duration=300 * MILLISECOND,
    paging=Paging(zones=2, swap_us=300),
    end_when_idle=False,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("devices")
    for name, (workload, model, program, pages) in COPIED.items():
        guest = (ROOT / "workloads" / "victims" / f"{workload}.cpp").read_text(encoding="utf-8")
        assert f'"{workload}", "' in guest
        (made / f"{name}.workload.cpp").write_text(
            guest.replace(f'"{workload}", "', f'"{name}", "'), encoding="utf-8"
        )
        text = (ROOT / model).read_text(encoding="utf-8")
        row = REGISTERED.format(name=name, program=program, pages=pages)
        (made / f"{name}.model.cpp").write_text(text + row, encoding="utf-8")
    assert main(["build", "--in", str(made)]) == 0
    return made


def outside(machine: Machine, image: Path) -> Machine:
    """The same machine with its first guest from outside."""
    first, *others = machine.guests
    return replace(machine, guests=(replace(first, kernel=f"workload:{image}"), *others))


@pytest.mark.parametrize(("machine", "name"), [(DISKS, "my_reader"), (MEMORIES, "my_pager")])
def test_a_model_outside_uses_the_simulators_devices(machine: Machine, name: str, folder: Path) -> None:
    own, copy = simulate(machine), simulate(outside(machine, folder / "build" / f"{name}.elf"))
    used = "ring_complete" if name == "my_reader" else "memory_grant"
    assert len(own.select(used, "own")) > 10
    assert own.trace_sha256 == copy.trace_sha256


@pytest.mark.parametrize("name", sorted(COPIED))
def test_its_guest_does_on_the_hypervisor_what_the_trees_does(name: str, folder: Path) -> None:
    machine = DISKS if name == "my_reader" else MEMORIES
    guests = [machine.guests, outside(machine, folder / "build" / f"{name}.elf").guests]
    fields = ("memctl", "ringctl", "memory", "dom0_memory", "paging", "duration", "end_when_idle")
    given = {field: getattr(machine, field) for field in fields}
    own, copy = (boot(*pair, **given) for pair in guests)
    marks = [len(run.select("mark", "own")) for run in (own, copy)]
    assert marks[0] > 10 and marks[1] == pytest.approx(marks[0], rel=0.02)


BROKEN = """#include "sim/model.hpp"
namespace bulkhead::sim {{
namespace {{
Program run(Guest& me, ModelSetup setup) {{
    {use}
}}
constexpr Model my_reader{{.name = "my_reader", .help = "", .options = {{}}, .program = run, .pages = {pages}}};
}} // namespace
BULKHEAD_MODEL(my_reader)
}} // namespace bulkhead::sim
"""


@pytest.mark.parametrize(
    ("use", "pages", "sentence"),
    [
        (
            "co_await setup.disk(me).submit(me, {ringctl::Operation::read, 1u << 24, 512});",
            "false",
            "a model asked its disk for 512 bytes at sector 16777216 of",
        ),
        (
            "co_await setup.memory(me).fault(me, 0);",
            "false",
            "its Model does not say `pages`",
        ),
        (
            "static_cast<void>(setup.memory(me).use(1 << 20)); co_await me.yield();",
            "true",
            "a model used page 1048576 of 1024",
        ),
        (
            "co_await setup.memory(me).fault(me, 1 << 20);",
            "true",
            "a model asks for page 1048576 of 1024",
        ),
        (
            "co_await setup.memory(me).release(me, -1);",
            "true",
            "a model gives -1 frames back",
        ),
    ],
)
def test_a_models_mistakes_are_named(
    use: str, pages: str, sentence: str, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "my_reader.model.cpp").write_text(BROKEN.format(use=use, pages=pages), encoding="utf-8")
    assert main(["build", "--in", str(tmp_path)]) == 0
    image = tmp_path / "build" / "my_reader.elf"
    image.write_bytes((folder / "build" / "my_reader.elf").read_bytes())
    guest = Guest("own", f"workload:{image}", memory=4 * MIB)
    with pytest.raises(SpecError, match=sentence):
        simulate(Machine(guests=(guest,), duration=20 * MILLISECOND, end_when_idle=False))
