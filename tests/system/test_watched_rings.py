"""What a watched machine tells of its disks and networks: requests, bytes, and how long requests waited and were throttled."""

from __future__ import annotations

from dataclasses import replace

import pytest
from machines import BACKENDS, MILLISECOND

from bulkhead import MIB, Guest, GuestDisk, GuestNet, Machine, Policy

THROTTLED = Machine(
    guests=tuple(
        Guest(
            name,
            "workload:disk_flood",
            "depth=4",
            memory=8 * MIB,
            disks=(GuestDisk(4 * MIB),),
            ringctl=limits,
        )
        for name, limits in {"limited": {"limit": 100}, "free": {"limit": 1_000}}.items()
    ),
    ringctl=Policy("mclock"),
    duration=400 * MILLISECOND,
    end_when_idle=False,
)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_machine_tells_what_its_disks_do(backend: str) -> None:
    watch = THROTTLED.watch(every=0.001, backend=backend)
    last = list(watch)[-1].domains
    submitted, done = watch.run.select("ring_submit"), watch.run.select("ring_complete")
    sizes = {int(row["a"]): int(row["b"]) for row in submitted}
    asked = {int(row["a"]): int(row["time"]) for row in submitted}
    taken = {int(row["a"]): int(row["time"]) for row in watch.run.select("ring_request")}
    for name in ("limited", "free"):
        use, answered = last[name].disks, done[done["domain"] == watch.run.domain_id(name)]["a"]
        names = [int(number) for number in answered]
        assert (use.requests, use.bytes) == (len(names), sum(sizes[number] for number in names))
        waited = sum(taken[number] - asked[number] for number in names)
        assert use.waiting_ns == pytest.approx(waited, rel=0.02)
    limited, free = last["limited"].disks, last["free"].disks
    # Both leave the drive idle most of the time, so what is queued is held back by the limit.
    for use in (limited, free):
        assert 0.5 * use.waiting_ns < use.throttled_ns <= use.waiting_ns
    assert limited.throttled_ns / limited.requests > 5 * free.throttled_ns / free.requests


@pytest.mark.parametrize("backend", BACKENDS)
def test_who_serves_at_once_throttles_nobody(backend: str) -> None:
    watch = replace(
        THROTTLED, ringctl=Policy("fifo"), guests=tuple(replace(g, ringctl={}) for g in THROTTLED.guests)
    )
    last = list(watch.watch(every=0.001, backend=backend))[-1].domains
    for name in ("limited", "free"):
        assert last[name].disks.waiting_ns > 0 == last[name].disks.throttled_ns


def test_packets_are_counted_for_who_sends_and_who_receives() -> None:
    lan = (GuestNet("lan"),)
    machine = Machine(
        guests=(
            Guest("client", "workload:udp_rr", memory=8 * MIB, nets=lan),
            Guest("server", "workload:udp_echo", memory=8 * MIB, nets=lan),
        ),
        duration=100 * MILLISECOND,
        end_when_idle=False,
    )
    last = list(machine.watch(every=0.01))[-1].domains
    client, server = last["client"].networks, last["server"].networks
    assert client.requests > 20 and client.bytes > 60 * client.requests
    assert server.requests == pytest.approx(
        client.requests, abs=8
    ), "each packet is sent once and received once"
