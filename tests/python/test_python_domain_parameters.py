"""Parameters of domains that a policy in Python declares: each domain has its own, and they are checked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kind_oracles
import oracles
import pytest
from bulkhead.backend.sim import simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.units import MIB
from bulkhead.model.spec import Guest
from bulkhead.policy.python import PythonPolicy
from bulkhead.policy.tables import Parameter
from kind_machines import DISKS, MILLISECOND
from test_python_policies import BUSY, MACHINES, make, row

kept: dict[int, Any] = {}


@pytest.fixture(autouse=True)
def _forget() -> None:
    kept.clear()


LIMIT = Parameter("limit", "us", "what the domain may use", initial=700, least=1, most=999)


class Priorities(oracles.RoundRobin):
    """A lower `level` first, always."""

    name = "priorities"
    domain_parameters = (Parameter("level", "1", "lower ones run first", initial=5, least=0, most=9), LIMIT)

    def attach(self, vcpu):  # type: ignore[no-untyped-def]
        kept[vcpu.domain.id] = vcpu.domain.values
        super().attach(vcpu)

    def pick(self, pcpu, now):  # type: ignore[no-untyped-def]
        self.queue.sort(key=lambda vcpu: vcpu.domain.values["level"])
        return super().pick(pcpu, now)


class LimitedRing(kind_oracles.Fifo):
    """Keeps what each domain was given."""

    name = "limited_ring"
    domain_parameters = (LIMIT,)

    def enqueue(self, request, now):  # type: ignore[no-untyped-def]
        kept[request.ring.domain.id] = request.ring.domain.values
        super().enqueue(request, now)


class LimitedMemory(kind_oracles.FirstFit):
    """Keeps what each domain was given."""

    name = "limited_memory"
    domain_parameters = (LIMIT,)

    def admit(self, domain):  # type: ignore[no-untyped-def]
        kept[domain.id] = domain.values
        return super().admit(domain)


LIMITED: dict[str, type[PythonPolicy]] = {"ringctl": LimitedRing, "memctl": LimitedMemory}


@pytest.mark.parametrize("field", sorted(LIMITED))
def test_each_domain_has_its_own_parameters(field: str) -> None:
    machine = MACHINES[field]
    first = replace(machine.guests[0], **{field: {"limit": 42}})  # type: ignore[arg-type]
    simulate(replace(machine, guests=(first, *machine.guests[1:]), **{field: LIMITED[field].spec()}))  # type: ignore[arg-type]
    assert kept == {1: {"limit": 42}, 2: {"limit": 700}}


def test_a_scheduler_decides_by_the_parameters_of_domains() -> None:
    hogs = (
        Guest("first", "workload:cpu_hog", memory=4 * MIB, sched={"level": 1}),
        Guest("later", "workload:cpu_hog", memory=4 * MIB, sched={"limit": 3}),
    )
    machine = replace(BUSY, guests=hogs, sched=Priorities.spec(), dom0_sched={"level": 0})
    ledger = simulate(machine).landmark.ledger
    assert kept == {
        0: {"level": 0, "limit": 700},
        1: {"level": 1, "limit": 700},
        2: {"level": 5, "limit": 3},
    }
    assert ledger["first"].guest_ns > 15 * MILLISECOND and ledger["later"].guest_ns == 0
    outside = replace(hogs[0], sched={"level": 10})
    with pytest.raises(SpecError, match="policy priorities: level=10 is outside 0 to 9"):
        simulate(replace(machine, guests=(outside,)))


def test_the_parameters_of_domains_are_checked_as_those_of_the_policy() -> None:
    with pytest.raises(SpecError, match="5 domain_parameters are too many; 4 are the most"):
        make(domain_parameters=tuple(row(f"p{i}") for i in range(5)))
    with pytest.raises(SpecError, match="parameter tax: its default 100 is outside 0 to 99 %"):
        make(domain_parameters=(row(initial=100),))


def test_a_parameter_that_no_domain_has_is_refused() -> None:
    guest = replace(DISKS.guests[0], ringctl={"rate": 50})
    with pytest.raises(SpecError, match="policy fifo has no parameter of domains 'rate'"):
        simulate(replace(DISKS, guests=(guest,), ringctl=kind_oracles.Fifo.spec()))
