"""xenstore serves a guest no later, and no more of domain 0's time is lost, because another guest makes it work."""

from __future__ import annotations

import numpy as np
import pytest
from machines import MILLISECOND, assert_sound, boot, said, workload

from bulkhead import Guest, Run
from bulkhead.base.schema import MARKS
from bulkhead.metrics.accounting import wall

READER = workload("store_reader", name="victim")
CAP = 2  # per cent of a pCPU


def storms(count: int, **changes: int) -> list[Guest]:
    return [workload("store_storm", name=f"storm{i}", **changes) for i in range(count)]


def longest_read(run: Run) -> int:
    """Of the victim's reads once all attackers are under way, ns."""
    first = [run.select("mark", g.name, MARKS["operations"])["time"][0] for g in run.machine.guests[1:]]
    under_way = max((int(time) for time in first), default=0)
    sent = run.select("mark", "victim", MARKS["request_sent"])["time"]
    answered = run.select("mark", "victim", MARKS["reply_received"])["time"]
    took = (answered - sent[: len(answered)])[sent[: len(answered)] > under_way]
    assert len(took) > 20, said(run)
    return int(np.max(took))


@pytest.mark.parametrize("attackers", [0, 1, 4])
def test_a_read_waits_for_little_work_of_others(attackers: int) -> None:
    run = boot(READER, *storms(attackers), duration=400 * MILLISECOND)
    assert_sound(run)
    longest = longest_read(run)
    print(f"{attackers} attackers: longest read {longest} ns")
    assert longest < (100_000 if attackers == 0 else 1_000_000), said(run)


def parts(run: Run) -> dict[str, float]:
    """Of all pCPU time, what each domain is billed, in per cent."""
    whole = wall(run.landmark.pcpus)
    return {
        name: 100 * (row.guest_ns + row.hypervisor_ns) / whole for name, row in run.landmark.ledger.items()
    }


def test_domain_0_burns_no_more_for_a_guest_than_its_cap() -> None:
    def beside(options: str) -> Run:
        storm = workload("store_storm", options, name="storm", cap=CAP)
        return boot(READER, workload("compute"), storm, duration=1_000 * MILLISECOND)

    idle, busy = beside("sleep_first_ms=10000"), beside("")
    assert_sound(busy)
    print(parts(idle), parts(busy))
    assert parts(busy)["storm"] < 1.1 * CAP
    assert parts(busy)["dom0"] < parts(idle)["dom0"] + 0.25 * CAP
    storm = busy.landmark.ledger["storm"]
    assert storm.hypervisor_ns > storm.guest_ns, "domain 0's work for it is billed to it"


def test_the_same_storm_twice_is_the_same_run() -> None:
    first, second = (boot(READER, *storms(2), duration=100 * MILLISECOND) for _ in range(2))
    assert first.trace_sha256 == second.trace_sha256
