"""Why a guest had no more memory: what it had, what it may have, what it asked for, and by which policy."""

from __future__ import annotations

from bulkhead.base.units import MIB
from bulkhead.metrics.trace import Records
from bulkhead.study.explain import policy_at
from bulkhead.study.names import Names

SHOWN = 8  # decisions
FRAME = 4096  # bytes
EVENTS = ("memory_target", "memory_release", "memory_reclaim", "memory_press", "memory_grant")


def explain_memory(names: Names, domain: int, at: int) -> list[str]:
    """What a domain had and might have at an instant, beside all others, and the last decisions about it."""
    records = names.trace.of(*EVENTS)
    records = records[records["time"] <= at]
    own = records[records["domain"] == domain]
    name = names.domain(domain)
    if not len(own):
        return [f"No memory policy had decided about {name} by {names.since(at)}."]
    lines = [
        f"{_holding(names, own, name)} at {names.since(at)}.",
        f"In charge was {policy_at(names, at, 'memory')}.",
    ]
    lines += [*_settings(names, name), "", "What every domain had and might have:"]
    for other in dict.fromkeys(records["domain"].tolist()):
        if not _gone(names, other, at):
            lines.append(f"  {_holding(names, records[records['domain'] == other], names.domain(other))}")
    asked = own["event"] == names.trace.number("memory_grant")
    decided = own[~asked]
    lines += ["", f"{_requests(own[asked])}.", f"The last of {len(decided)} decisions about {name}:"]
    return lines + [f"  {_decision(names, record)}" for record in decided[-SHOWN:]]


def _mib(frames: int) -> str:
    return f"{frames * FRAME / MIB:.2f} MiB"


def _gone(names: Names, domain: int, at: int) -> bool:
    gone = names.trace.of("domain_destroy")
    return bool(((gone["domain"] == domain) & (gone["time"] <= at)).any())


def _holding(names: Names, own: Records, name: str) -> str:
    """From a domain's records: the last ones of what it has and of what it may have."""
    target = names.trace.number("memory_target")
    targets = own[own["event"] == target]
    last = own[-1]
    has = int(last["b"] if int(last["event"]) == target else last["a"])
    if not len(targets):
        return f"{name} had {_mib(has)}, without a target"
    since = names.since(int(targets[-1]["time"]))
    return f"{name} had {_mib(has)} of the {_mib(int(targets[-1]['a']))} that it might have since {since}"


def _settings(names: Names, name: str) -> list[str]:
    guest = next((g for g in names.run.machine.guests if g.name == name), None)
    if guest is None:
        return []
    parts = [f"{guest.memory / MIB:g} MiB at its start", f"weight {guest.weight}"]
    return [f"{name} has {', '.join([*parts, *(f'{key}={value}' for key, value in guest.memctl.items())])}."]


def _requests(own: Records) -> str:
    """All that a domain asked for, and what of it the policy granted."""
    if not len(own):
        return "It asked for no memory of its own accord"
    asked, granted = int((own["b"] >> 32).sum()), int((own["b"] & 0xFFFFFFFF).sum())
    return f"It asked {len(own)} times, for {_mib(asked)} in all, and was granted {_mib(granted)}"


def _decision(names: Names, record: Records) -> str:
    when, a, b = names.since(int(record["time"])), int(record["a"]), int(record["b"])
    event = int(record["event"])
    if event == names.trace.number("memory_target"):
        return f"{when}: it may have {_mib(a)}, and had {_mib(b)}"
    if event == names.trace.number("memory_release"):
        return f"{when}: it gave {_mib(b)} back, and kept {_mib(a)}"
    if event == names.trace.number("memory_press"):
        part = f"{b / 10:g} % of its time are withheld" if b else "no more of its time is withheld"
        return f"{when}: {part}, as it keeps {_mib(a)}" if b else f"{when}: {part}, and it has {_mib(a)}"
    return f"{when}: {_mib(b)} were taken by force, and it kept {_mib(a)}"
