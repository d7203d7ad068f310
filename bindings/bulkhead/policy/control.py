"""Domain 0's part of the pCPUs: by its weight where the scheduler honours weights, else a share by the host."""

from __future__ import annotations

from bulkhead.model.machine import Machine
from bulkhead.policy.choose import choose


def host_share(machine: Machine) -> int:
    """What the host gives domain 0 beside its turns under the machine's first scheduler [% of one pCPU]."""
    honoured = machine.sched is not None and not choose("scheduler", machine.sched).policy.has(
        "ignores_weights"
    )
    return 0 if honoured else machine.control_share


def control_text(machine: Machine) -> str:
    """The same in words."""
    if share := host_share(machine):
        return f"domain 0 may have {share} % of one pCPU beside its turns"
    if machine.dom0_sched:
        return "domain 0 has what its scheduler's parameters reserve"
    return f"domain 0 has weight {machine.dom0_weight}"
