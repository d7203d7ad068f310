"""Runs a `Machine` under QEMU and collects the `Run`."""

from __future__ import annotations

from bulkhead.booted import Booted
from bulkhead.live.watch import carry_out
from bulkhead.options import RunOptions
from bulkhead.run import Run
from bulkhead.spec import Machine

__all__ = ["RunOptions", "run_machine"]


def run_machine(machine: Machine, options: RunOptions | None = None) -> Run:
    """Boot, wait for the end, collect. Leaves no process and no file behind.

    Raises `BulkheadError` for bad input, `MachineError` if the hypervisor left nothing that can be read.
    """
    options = options or RunOptions()
    with Booted(machine, options) as booted:
        return carry_out(booted, options)
