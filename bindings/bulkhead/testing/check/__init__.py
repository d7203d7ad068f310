"""Holds one policy to what every policy of its kind promises: a table of what holds.

The oracles know no policy: they read the policy's own declarations (plugin::Trait) and the trace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from bulkhead.model.machine import Machine
from bulkhead.model.spec import Policy
from bulkhead.policy.tables import PYTHON, PolicyTable
from bulkhead.testing.check import memory, ring, scheduler
from bulkhead.testing.check.promises import Verdict

__all__ = ["MACHINES", "Verdict", "check", "writes"]

# A random machine for a policy of a kind, by seed.
MACHINES: dict[str, Callable[[Policy, int], Machine]] = {
    "scheduler": scheduler.random_machine,
    "memory": memory.random_machine,
    "ring": ring.random_machine,
}


def check(policy: Policy, table: PolicyTable, machines: int) -> Iterator[Verdict]:
    """Each promise of the policy's kind, on so many random machines in the simulator."""
    if table.kind == "memory":
        return memory.promises(policy, machines)
    if table.kind == "scheduler":
        return scheduler.promises(policy, table, machines)
    return ring.promises(policy, table, machines)


def writes(policy: Policy, table: PolicyTable, machines: int) -> Verdict:
    """On the hypervisor, where the strict guard sees every write of a hook."""
    promise = "writes nothing but its own memory"
    if policy.name.startswith(PYTHON):
        return Verdict(promise, None, "not tried: the hypervisor runs no policies in Python")
    for seed in range(1, machines + 1):
        run = replace(MACHINES[table.kind](policy, seed), guard="strict").run()
        for report in run.landmark.policies:
            if report.ejected is not None:
                return Verdict(
                    promise, False, f"seed {seed}: {report.ejected} in {report.hook}: {report.why}"
                )
    return Verdict(promise, True, f"{machines} random machines, booted under the strict guard")
