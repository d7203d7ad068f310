"""Which accelerator a run uses. KVM is tried before it is trusted: /dev/kvm can exist and yet run no kernel."""

from __future__ import annotations

import functools
import os
import sys

from bulkhead.base.errors import BulkheadError, MachineError
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions

KVM = "/dev/kvm"
PROBE_SECONDS = 15.0


def never_began(seconds: float) -> str:
    """Why a machine under KVM is given up that was still at its start-up after so long."""
    return (
        f"KVM opens here, but the hypervisor did not come to its first guest in {seconds:g} s; "
        "write --accel tcg, or --accel auto, which finds that out by itself"
    )


@functools.cache
def kvm_problem() -> str | None:
    """Why KVM cannot be used here, None if a small machine ran on it."""
    if not os.path.exists(KVM):
        return f"{KVM} does not exist"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return f"this user may not open {KVM}"
    probe = Machine(guests=(), accel="kvm", ns_per_instruction=None, duration=10_000_000, trace_bytes=1 << 20)
    try:
        run = probe.run(RunOptions(host_timeout=PROBE_SECONDS), "qemu")
    except BulkheadError as error:
        return f"a trial run on KVM failed: {error}"
    if run.lost_to is None and run.exit_status != MachineError.exit_status:
        return None
    return f"a trial run on KVM failed: {run.lost_to or run.landmark.message}"


def choose_accel(machine: Machine) -> str:
    """tcg or kvm. With "auto", falls back to tcg and says why on standard error."""
    if machine.accel != "auto":
        if machine.accel == "kvm" and not os.access(KVM, os.R_OK | os.W_OK):
            raise BulkheadError(f"--accel kvm: {KVM} cannot be opened here; use --accel tcg or --accel auto")
        return machine.accel
    problem = kvm_problem()
    if problem is None:
        return "kvm"
    print(f"bulkhead: using tcg: {problem}", file=sys.stderr)
    return "tcg"
