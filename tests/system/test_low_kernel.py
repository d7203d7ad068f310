"""A kernel at the lower end of its address space starts as a test framework for the ABI does, to its planned crash."""

from __future__ import annotations

import pytest
from machines import assert_sound, boot, said

from bulkhead import MIB, SECOND, Guest
from bulkhead.base import paths

FOLDER = paths.test_image().parent / "low_kernel"
# How an application gets its pages: a root of its own, or the kernel's with the user's bit.
APPLICATION = {
    "low_kernel": ("the kernel's root for applications",),
    "low_kernel_pae": (
        "the application's code is open to ring 3",
        "the application's stack is open to ring 3",
    ),
}


def steps(kernel: str) -> list[str]:
    """What it says on its way."""
    names = (
        "set_trap_table",
        "stack_switch",
        "data segments",
        "unmap the page at 0",
        *APPLICATION[kernel],
        "forced emulation is undefined",
        "the page at 0 faults",
        "to an application and back",
    )
    return [f"{name}: done" for name in names]


@pytest.mark.parametrize("kernel", APPLICATION)
def test_each_step_of_the_start_is_done(kernel: str) -> None:
    run = boot(Guest(name="low", kernel=str(FOLDER / f"{kernel}.elf"), memory=16 * MIB), duration=SECOND)
    assert run.consoles["low"].splitlines() == steps(kernel), said(run)
    assert "domain 1 (low) crashed: an exception" in run.consoles["bulkhead"], said(run)
    assert_sound(run)
