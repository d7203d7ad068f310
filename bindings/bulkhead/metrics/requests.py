"""Requests of I/O rings, from the queue to the answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from bulkhead.metrics.trace import Trace, Window

NET = 1 << 31  # the bit that numbers of an interface's rings have
RECEIVE = 1  # likewise, of the ring whose packets the guest receives


@dataclass(frozen=True)
class Request:
    """One request, or one packet. Instants are real time [ns]; None: not before the trace's end."""

    domain: int
    ring: int
    number: int
    size: int  # bytes
    queued: int  # when the back end queued it
    taken: int | None = None  # when the policy's choice gave it to the device
    done: int | None = None  # when its guest had the answer
    worked: int = 0  # the device's time for it [ns]

    @property
    def device(self) -> str:
        """The drive, or the switch's two directions. Each is served apart from the others."""
        if not self.ring & NET:
            return "disk"
        return "receive" if self.ring & RECEIVE else "send"

    def outstanding(self, at: int) -> bool:
        """Whether its guest waited for it at an instant."""
        return self.queued <= at and (self.done is None or at < self.done)


def requests(trace: Trace) -> list[Request]:
    """All requests of a run in the order in which they were queued.

    A ring's numbers return when its guest connects again. A record belongs to the first request of its number that waits for it.
    """
    found: list[Request] = []
    unserved: dict[tuple[int, int], list[int]] = defaultdict(list)  # by domain and name: places in `found`
    submit, take = trace.number("ring_submit"), trace.number("ring_request")
    records = trace.of("ring_submit", "ring_request", "ring_complete")
    columns = (records[name].tolist() for name in ("time", "event", "domain", "a", "b"))
    for time, event, domain, name, value in zip(*columns):
        if event == submit:
            unserved[domain, name].append(len(found))
            found.append(Request(domain, name >> 32, name & 0xFFFFFFFF, value, time))
            continue
        waiting = unserved[domain, name]
        if not waiting:
            continue  # queued before the trace began
        if event == take:
            found[waiting[0]] = replace(found[waiting[0]], taken=time)
        else:
            found[waiting[0]] = replace(found[waiting[0]], done=time, worked=value)
            waiting.pop(0)
    return found


@dataclass(frozen=True)
class Served:
    """What a device did for a domain in a window."""

    domain: int
    requests: int  # answered in the window
    size: int  # their bytes
    ns: int  # the device's time for them


def served_during(found: list[Request], device: str, window: Window) -> list[Served]:
    """Whose requests a device answered in a window: those with the most of its time first."""
    sums: dict[int, tuple[int, int, int]] = {}
    for one in found:
        if one.device == device and one.done is not None and window.start < one.done <= window.end:
            count, size, ns = sums.get(one.domain, (0, 0, 0))
            sums[one.domain] = (count + 1, size + one.size, ns + one.worked)
    rows = [Served(domain, *values) for domain, values in sums.items()]
    return sorted(rows, key=lambda row: (-row.ns, row.domain))
