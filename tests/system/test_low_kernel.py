"""A kernel at the lower end of its address space starts as a test framework for the ABI does, to its planned crash."""

from __future__ import annotations

from machines import assert_sound, boot, said

from bulkhead import MIB, SECOND, Guest
from bulkhead.base import paths

KERNEL = paths.test_image().parent / "low_kernel" / "low_kernel.elf"
STEPS = (
    "set_trap_table",
    "stack_switch",
    "data segments",
    "unmap the page at 0",
    "the kernel's root for applications",
    "forced emulation is undefined",
    "the page at 0 faults",
    "to an application and back",
)


def test_each_step_of_the_start_is_done() -> None:
    run = boot(Guest(name="low", kernel=str(KERNEL), memory=16 * MIB), duration=SECOND)
    assert run.consoles["low"].splitlines() == [f"{step}: done" for step in STEPS], said(run)
    assert "domain 1 (low) crashed: an exception" in run.consoles["bulkhead"], said(run)
    assert_sound(run)
