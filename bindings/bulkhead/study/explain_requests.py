"""Why a guest waited for its disk or its network: where the request was, whom the device served, by which policy."""

from __future__ import annotations

from bulkhead.base.text import format_ns
from bulkhead.metrics import Window
from bulkhead.metrics.requests import Request, requests, served_during
from bulkhead.study.explain import policy_at
from bulkhead.study.names import Names

SHOWN = 8  # domains, and requests
KINDS = {"disk": "request", "send": "packet to send", "receive": "packet to receive"}
DEVICES = {"disk": "drive", "send": "switch, sending,", "receive": "switch, receiving,"}


def explain_longest_request(names: Names, domain: int) -> list[str]:
    """The request of a domain that took longest among those that were answered."""
    found = requests(names.trace)
    answered = [
        (one.done - one.queued, one) for one in found if one.domain == domain and one.done is not None
    ]
    if not answered:
        return [f"{names.domain(domain)} had no request that was answered."]
    longest = max(answered, key=lambda pair: pair[0])[1]
    end = longest.done if longest.done is not None else names.trace.whole.end
    lines = [
        f"{_name(names, longest)}, took {format_ns(end - longest.queued)}, from {names.since(longest.queued)} to "
        f"{names.since(end)}.",
        f"{_parts(longest, end)}.",
    ]
    return lines + _around(names, found, longest, end)


def explain_requests_at(names: Names, domain: int, at: int) -> list[str]:
    """Which requests of a domain were not answered at an instant, and where they were."""
    found = requests(names.trace)
    waiting = [one for one in found if one.domain == domain and one.outstanding(at)]
    if not waiting:
        return [f"{names.domain(domain)} waited for no request at {names.since(at)}."]
    lines = [f"{names.domain(domain)} waited for {len(waiting)} requests at {names.since(at)}:"]
    lines += [f"  {_name(names, one)}, {_where(names, one, at)}" for one in waiting[:SHOWN]]
    if len(waiting) > SHOWN:
        lines.append(f"  and {len(waiting) - SHOWN} more")
    return lines + _around(names, found, waiting[0], at)


def _name(names: Names, one: Request) -> str:
    ring = one.ring & 0x7FFFFFFF
    return f"{names.domain(one.domain)}'s {KINDS[one.device]} {one.number} of ring {ring}, {one.size:,} bytes"


def _where(names: Names, one: Request, at: int) -> str:
    if one.taken is None or at < one.taken:
        return f"in the queue since {names.since(one.queued)}"
    return f"in the device since {names.since(one.taken)}, after {format_ns(one.taken - one.queued)} in the queue"


def _parts(one: Request, end: int) -> str:
    """The two parts of its time. A device that serves several at once, or one behind another, works for less than it holds."""
    taken = one.taken if one.taken is not None else end
    return (
        f"It was in the queue for {format_ns(taken - one.queued)} and in the device for {format_ns(end - taken)}, "
        f"which worked for it for {format_ns(one.worked)}"
    )


def _around(names: Names, found: list[Request], one: Request, end: int) -> list[str]:
    """Policy, settings, whom the device served, and what it took last."""
    window = Window(one.queued, max(one.queued, end))
    return [
        f"In charge was {policy_at(names, one.queued, 'ring')}.",
        *_settings(names, one.domain),
        "",
        *_what_was_served(names, found, one.device, window),
        "",
        *_last_taken(names, found, one.device, window),
    ]


def _settings(names: Names, domain: int) -> list[str]:
    guest = next((g for g in names.run.machine.guests if g.name == names.domain(domain)), None)
    if guest is None:
        return []
    parts = [f"weight {guest.weight}", *(f"{key}={value}" for key, value in guest.ringctl.items())]
    return [f"{guest.name} has {', '.join(parts)}."]


def _what_was_served(names: Names, found: list[Request], device: str, window: Window) -> list[str]:
    rows, length = served_during(found, device, window), max(1, window.length)
    lines = [f"What the {DEVICES[device]} did meanwhile, in {format_ns(window.length)}:"]
    for row in rows[:SHOWN]:
        lines.append(
            f"  {names.domain(row.domain):20} {row.requests:6} requests {row.size:>12,} bytes {format_ns(row.ns):>10} "
            f"{100 * row.ns / length:6.1f} %"
        )
    if len(rows) > SHOWN:
        lines.append(f"  {len(rows) - SHOWN} others, {format_ns(sum(row.ns for row in rows[SHOWN:]))}")
    return lines if rows else [*lines, "  it answered nobody"]


def _last_taken(names: Names, found: list[Request], device: str, window: Window) -> list[str]:
    taken = [
        (one.taken, _name(names, one), one.taken - one.queued)
        for one in found
        if one.device == device and one.taken is not None and window.start <= one.taken <= window.end
    ]
    lines = [f"The last of {len(taken)} requests that the policy chose:"]
    return lines + [
        f"  {names.since(at)}: {name}, after {format_ns(queued)} in the queue"
        for at, name, queued in sorted(taken)[-SHOWN:]
    ]
