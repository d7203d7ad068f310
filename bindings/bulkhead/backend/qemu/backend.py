"""The back end `qemu` as the registry sees it."""

from __future__ import annotations

from bulkhead.backend.protocol import carry_out
from bulkhead.backend.qemu.booted import Booted
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run


class Qemu:
    """Boots the hypervisor. A run leaves no process and no file behind but what its options ask for."""

    name = "qemu"

    def cannot_carry_out(self, machine: Machine) -> str | None:
        """None: a missing part is reported when the machine begins."""
        return None

    def begin(self, machine: Machine, options: RunOptions, held: bool = False) -> Booted:
        """A machine under QEMU. `BulkheadError` for bad input."""
        return Booted(machine, options, held)

    def run(self, machine: Machine, options: RunOptions) -> Run:
        """Boot, wait for the end, collect. `MachineError` if the hypervisor left nothing that can be read."""
        with self.begin(machine, options) as booted:
            return carry_out(booted, options)
