"""Settings of a machine that have no effect: each a line that goes with the run and into the result."""

from __future__ import annotations

from collections.abc import Iterator

from bulkhead.backend.reservations import reservation_doubts
from bulkhead.base.schema import constant
from bulkhead.base.text import format_ns
from bulkhead.model.machine import Machine
from bulkhead.policy.choose import choose


def doubts(machine: Machine, backend: str = "qemu") -> tuple[str, ...]:
    """What was asked for and will not happen, in the order of the machine's fields."""
    return (*_guard(machine, backend), *_ignored(machine), *reservation_doubts(machine), *_too_late(machine))


def _guard(machine: Machine, backend: str) -> Iterator[str]:
    if machine.guard != "normal" and backend == "sim":
        yield f"guard={machine.guard} is of the hypervisor; the simulator protects only the constants of policies"


def _ignored(machine: Machine) -> Iterator[str]:
    """Weights and caps under a scheduler that declares to ignore them, or under the built-in fallback, which does."""
    policy = choose("scheduler", machine.sched).policy if machine.sched is not None else None
    name = policy.name if policy is not None else "the built-in fallback"
    capped = [guest.name for guest in machine.guests if guest.cap]
    weighted = [guest.name for guest in machine.guests if guest.weight != constant("sched.default_weight")]
    weighted += [entry.guest for entry in machine.timeline if entry.action == "set_weight" and entry.guest]
    placed = [guest.name for guest in machine.guests if any(guest.masks(i)[1] for i in range(guest.vcpus))]
    settings = (
        ("caps", "ignores_caps", capped),
        ("weights", "ignores_weights", weighted),
        ("preferred pCPUs", "ignores_preferences", placed),
    )
    for what, trait, names in settings:
        if names and (policy is None or policy.has(trait)):
            some = ", ".join(dict.fromkeys(names))
            yield f"{name} ignores {what}, but {what} are set for {some}; choose another scheduler"


def _too_late(machine: Machine) -> Iterator[str]:
    for entry in machine.timeline:
        if entry.at >= machine.duration and entry.action != "stop":
            whom = f" of {entry.guest}" if entry.guest else ""
            yield (
                f"timeline: {entry.action}{whom} at {format_ns(entry.at)} is after the end of the run, "
                f"{format_ns(machine.duration)}"
            )
