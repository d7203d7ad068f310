"""xenstore serves a guest no later, and no more of domain 0's time is lost, because another guest makes it work."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import Guest, Run
from bulkhead.base.schema import MARKS
from bulkhead.metrics import wall

READER = workload("store_reader", name="victim")
CAP = 2  # per cent of a pCPU


def storms(count: int, **changes: int) -> list[Guest]:
    return [workload("store_storm", name=f"storm{i}", **changes) for i in range(count)]


def longest_read(run: Run) -> int:
    """Of the victim's reads once all attackers are under way, ns."""
    under_way = max((int(row["time"]) for row in run.select("mark", code=MARKS["ready"])), default=0)
    sent = run.select("mark", "victim", MARKS["request_sent"])["time"]
    answered = run.select("mark", "victim", MARKS["reply_received"])["time"]
    took = (answered - sent[: len(answered)])[sent[: len(answered)] > under_way]
    assert len(took) > 20, said(run)
    return int(np.max(took))


@pytest.mark.parametrize("attackers", [0, 1, 4])
def test_a_read_waits_for_little_work_of_others(attackers: int) -> None:
    run = boot(READER, *storms(attackers, cap=CAP), duration=400 * MILLISECOND)
    assert_sound(run)
    longest = longest_read(run)
    print(f"{attackers} attackers: longest read {longest} ns")
    assert longest < (150_000 if attackers == 0 else 1_000_000), said(run)


def test_domain_0_burns_no_more_for_a_guest_than_its_cap() -> None:
    run = boot(READER, workload("compute"), *storms(1, cap=CAP), duration=1_000 * MILLISECOND)
    assert_sound(run)
    of, whole = run.landmark.ledger, wall(run.landmark.pcpus)
    used = {name: (row.guest_ns + row.hypervisor_ns) / whole for name, row in of.items()}
    print({name: f"{100 * part:.2f} %" for name, part in used.items()})
    assert used["storm0"] < 1.1 * CAP / 100, used
    assert used["dom0"] < 0.01, used
    assert of["storm0"].hypervisor_ns > of["storm0"].guest_ns, "domain 0's work for it is its own"


def test_the_same_storm_twice_is_the_same_run() -> None:
    first, second = (boot(READER, *storms(2), duration=100 * MILLISECOND) for _ in range(2))
    assert first.trace_sha256 == second.trace_sha256


def test_building_is_linear_in_the_number_of_guests() -> None:
    def built(count: int) -> int:
        guests = [workload("compute", name=f"g{i}") for i in range(count)]
        run = boot(*guests, duration=1 * MILLISECOND)
        return run.landmark.started

    few, some, many = built(2), built(12), built(22)
    print(f"2, 12, 22 guests: {few}, {some}, {many} ns")
    assert many - some < 1.1 * (some - few)
