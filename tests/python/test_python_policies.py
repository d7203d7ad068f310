"""Policies written in Python: what a kept object says when it is gone, what hooks may answer, what a class must say."""

from __future__ import annotations

import traceback
from dataclasses import replace
from typing import Any

import kind_oracles
import oracles
import pytest
from bulkhead.backend.sim import simulate
from bulkhead.base.errors import SpecError
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.model.machine import Machine
from bulkhead.model.spec import Guest, Policy, TimelineEntry
from bulkhead.policy.memory import MemoryPolicy
from bulkhead.policy.python import PythonPolicy
from bulkhead.policy.ring import RingPolicy
from bulkhead.policy.scheduler import Pcpu, Scheduler, Vcpu
from bulkhead.policy.tables import Parameter
from kind_machines import DISKS, MEMORIES, MILLISECOND

BUSY = Machine(
    guests=(Guest("a", "workload:cpu_hog", memory=4 * MIB), Guest("b", "model:disk", memory=4 * MIB)),
    duration=20 * MILLISECOND,
    end_when_idle=False,
)
MACHINES = {"sched": BUSY, "ringctl": DISKS, "memctl": MEMORIES}
kept: dict[str, Any] = {}


class KeepsRing(kind_oracles.Fifo):
    """Keeps whatever it sees."""

    name = "keeps_ring"

    def enqueue(self, request, now):  # type: ignore[no-untyped-def]
        kept.update(request=request, ring=request.ring, domain=request.ring.domain, host=self.host)
        super().enqueue(request, now)


class KeepsMemory(kind_oracles.FirstFit):
    """Keeps whatever it sees."""

    name = "keeps_memory"

    def admit(self, domain):  # type: ignore[no-untyped-def]
        kept.update(domain=domain, host=self.host, memory=self.memory)
        return super().admit(domain)


class KeepsVcpus(oracles.RoundRobin):
    """Keeps whatever it sees."""

    name = "keeps_vcpus"

    def wake(self, vcpu, now):  # type: ignore[no-untyped-def]
        kept.update(vcpu=vcpu, domain=vcpu.domain, host=self.host)
        super().wake(vcpu, now)

    def pick(self, pcpu, now):  # type: ignore[no-untyped-def]
        kept.update(pcpu=pcpu)
        return super().pick(pcpu, now)


KEEPERS: dict[str, type[PythonPolicy]] = {"sched": KeepsVcpus, "ringctl": KeepsRing, "memctl": KeepsMemory}
READ = {
    "request": "bytes",
    "ring": "number",
    "domain": "id",
    "vcpu": "last_pcpu",
    "pcpu": "id",
    "memory": "zones",
}


def assert_gone() -> None:
    """Each kept object says that it is gone."""
    assert kept
    for what, view in kept.items():
        with pytest.raises(ValueError, match="this object is gone"):
            view.now() if what == "host" else getattr(view, READ[what])


@pytest.fixture(autouse=True)
def _forget() -> None:
    kept.clear()


@pytest.mark.parametrize("field", sorted(KEEPERS))
def test_nothing_that_is_kept_outlives_the_run(field: str) -> None:
    simulate(replace(MACHINES[field], **{field: KEEPERS[field].spec()}))  # type: ignore[arg-type]
    assert_gone()


@pytest.mark.parametrize("field", sorted(KEEPERS))
def test_nothing_that_is_kept_outlives_a_swap(field: str) -> None:
    machine = replace(MACHINES[field], **{field: KEEPERS[field].spec()})  # type: ignore[arg-type]
    exemplar = {"sched": "round_robin", "ringctl": "fifo", "memctl": "first_fit"}[field]
    with machine.start(backend="sim") as live:
        live.run_until("5ms")
        assert kept["host"].now() > 0 and kept["domain"].weight in (256, 2048)
        swap = {
            "sched": live.swap_scheduler,
            "ringctl": live.swap_ring_policy,
            "memctl": live.swap_memory_policy,
        }
        swap[field](exemplar)
        assert_gone()
        live.finish()


class Ejected(KeepsMemory):
    """Promises more than there is, after a while."""

    name = "keeps_and_is_ejected"

    def rebalance(self, domains, now):  # type: ignore[no-untyped-def]
        return [domain.most + (now > 200 * MILLISECOND) for domain in domains]


def test_nothing_that_is_kept_outlives_an_ejection() -> None:
    machine = replace(MEMORIES, memctl=Ejected.spec(), memory=160 * MIB)
    with machine.start(backend="sim") as live:
        live.run_until("20ms")
        assert kept["domain"].has >= 0
        live.run_until("290ms")
        assert_gone()
        run = live.finish()
    assert [p.ejected for p in run.landmark.policies if p.kind == "memory"] == ["wrong_answer"]


class Served(kind_oracles.Fifo):
    """Remembers what the device has taken, and never hears of the end of what a destroyed guest had there."""

    name = "served"

    def start(self) -> None:
        super().start()
        self.taken: list[Any] = []
        self.errors: list[str] = []
        kept["policy"] = self

    def next(self, now):  # type: ignore[no-untyped-def]
        request = super().next(now)
        if request is not None:
            self.taken.append(request)
        return request

    def complete(self, request, service, now):  # type: ignore[no-untyped-def]
        self.taken.remove(request)

    def enqueue(self, request, now):  # type: ignore[no-untyped-def]
        super().enqueue(request, now)
        for one in list(self.taken):
            try:
                assert one.ring.domain.id in (1, 2) and one.bytes > 0
            except ValueError as error:
                self.errors.append(str(error))
                self.taken.remove(one)


def test_a_request_in_service_goes_with_its_ring() -> None:
    machine = replace(DISKS, disk=replace(DISKS.disk, depth=4), ringctl=Served.spec())
    simulate(replace(machine, timeline=(TimelineEntry(50 * MILLISECOND, "destroy", "b"),)))
    errors = kept.pop("policy").errors
    assert 1 <= len(errors) <= 4 and all("this object is gone" in error for error in errors)


def answers(base: type[PythonPolicy], hook: str, given: object) -> type[PythonPolicy]:
    """A policy whose hook answers with something else."""

    def answer(self, *arguments):  # type: ignore[no-untyped-def]
        return given

    return type("Wrong", (base,), {"name": "wrong", hook: answer})


@pytest.mark.parametrize(
    ("field", "base", "hook", "given", "message"),
    [
        (
            "memctl",
            kind_oracles.FirstFit,
            "admit",
            None,
            "Wrong.admit must return True or False, not NoneType",
        ),
        ("memctl", kind_oracles.FirstFit, "admit", 1, "Wrong.admit must return True or False, not int"),
        ("memctl", kind_oracles.FirstFit, "choose", (0,), "Wrong.choose must return None, or a zone and"),
        (
            "memctl",
            kind_oracles.FirstFit,
            "choose",
            (0, True),
            "Wrong.choose must return None, or a zone and",
        ),
        ("memctl", kind_oracles.FirstFit, "choose", (0, 1.0), "Wrong.choose must return None, or a zone and"),
        (
            "memctl",
            kind_oracles.FirstFit,
            "rebalance",
            None,
            "Wrong.rebalance must return a target in frames",
        ),
        (
            "memctl",
            kind_oracles.FirstFit,
            "rebalance",
            [2.5],
            "Wrong.rebalance must return a target in frames",
        ),
        (
            "memctl",
            kind_oracles.FirstFit,
            "reclaim",
            None,
            "Wrong.reclaim must return a number of frames, not NoneType",
        ),
        (
            "ringctl",
            kind_oracles.Fifo,
            "next",
            True,
            "Wrong.next must return None, a request, or the instant",
        ),
        (
            "ringctl",
            kind_oracles.Fifo,
            "next",
            1 << 70,
            "Wrong.next must return None, a request, or the instant",
        ),
        ("sched", oracles.RoundRobin, "pick", 7, "Wrong.pick must return None, or a vCPU"),
        ("sched", oracles.RoundRobin, "pick", (None, 1e6), "Wrong.pick must return None, or a vCPU"),
    ],
)
def test_an_answer_of_the_wrong_type_names_class_and_hook(
    field: str, base: type[PythonPolicy], hook: str, given: object, message: str
) -> None:
    machine = MACHINES[field]
    if hook == "reclaim":  # frames are to be given back, by a guest that does not
        hoard = replace(machine.guests[0], cmdline="stubborn=1")
        base = Shrinks
        machine = replace(
            machine, guests=(hoard, machine.guests[1]), memory=160 * MIB, duration=900 * MILLISECOND
        )
    with pytest.raises(TypeError) as caught:
        simulate(replace(machine, **{field: answers(base, hook, given).spec()}))
    assert str(caught.value).startswith(message)


class Shrinks(kind_oracles.FirstFit):
    """Takes back what it gave."""

    name = "shrinks"

    def rebalance(self, domains, now):  # type: ignore[no-untyped-def]
        return [domain.least if now > 200 * MILLISECOND else domain.most for domain in domains]


class MyOwnBug(ValueError):
    """What a user raises."""


@pytest.mark.parametrize(
    ("hook", "error"), [("start", ValueError), ("rebalance", ValueError), ("rebalance", MyOwnBug)]
)
def test_a_users_exception_keeps_its_type_and_its_traceback(hook: str, error: type[Exception]) -> None:
    def fails(self, *arguments):  # type: ignore[no-untyped-def]
        raise error("my own bug")

    policy = type("Fails", (kind_oracles.FirstFit,), {"name": "fails", hook: fails})
    with pytest.raises(ValueError, match="my own bug") as caught:
        simulate(replace(MEMORIES, memctl=policy.spec()))  # type: ignore[attr-defined]
    assert type(caught.value) is error
    assert "fails" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]


def test_a_models_refusal_is_no_users_exception() -> None:
    guest = Guest("x", "model:disk", "bytes=7")
    with pytest.raises(SpecError, match="option bytes: write 512 to"):
        simulate(replace(DISKS, guests=(guest,), ringctl=kind_oracles.Fifo.spec()))


def make(*table: Parameter, **more: object) -> type[PythonPolicy]:
    """A policy of that table."""
    return type("Many", (kind_oracles.FirstFit,), {"name": "many", "parameters": table, **more})


def row(name: str = "tax", initial: Any = 50, least: Any = 0, most: Any = 99) -> Parameter:
    return Parameter(name, "%", "what idle memory costs", initial, least, most)


def test_sixteen_parameters_are_reported_and_one_more_is_refused() -> None:
    names = [f"p{i}" for i in range(17)]
    policy = make(*(row(name, initial=i) for i, name in enumerate(names[:16])))
    run = simulate(replace(MEMORIES, memctl=policy.spec(p3=77)))
    (report,) = [report for report in run.landmark.policies if report.kind == "memory"]
    assert report.parameters == {**{name: i for i, name in enumerate(names[:16])}, "p3": 77}
    with pytest.raises(SpecError, match="memory policy many: 17 parameters are too many; 16 are the most"):
        make(*map(row, names))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (row(initial=100), "memory policy many: parameter tax: its default 100 is outside 0 to 99 %"),
        (row(initial=1.5), "parameter tax: its least, default and most .* are to be whole numbers"),
        (row(most=1 << 64), "parameter tax: its least, default and most .* are to be whole numbers"),
        (row(name=""), "parameter '': give each a name of its own"),
        ("tax", "parameters=.* is not a tuple of Parameter"),
    ],
)
def test_an_impossible_table_is_refused(given: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make(given)


@pytest.mark.parametrize("value", ["90", 90.0, True, None])
def test_a_value_that_is_no_whole_number_names_parameter_and_range(value: Any) -> None:
    with pytest.raises(SpecError) as caught:
        make(row()).spec(tax=value)
    assert str(caught.value) == f"policy many: tax={value!r} is not a whole number, 0 to 99 %"


def test_a_value_outside_of_its_range_names_both() -> None:
    with pytest.raises(SpecError, match="^policy many: tax=100 is outside 0 to 99 %$"):
        make(row()).spec(tax=100)
    with pytest.raises(SpecError, match="no parameter 'taxes'; did you mean 'tax'"):
        make(row()).spec(taxes=1)


def test_work_conserving_is_true_or_false() -> None:
    assert Scheduler.work_conserving and not make(work_conserving=False).work_conserving  # type: ignore[attr-defined]
    assert make(honours_weights=False).traits() != make(honours_caps=False).traits() != make().traits() == 0
    with pytest.raises(SpecError, match="memory policy many: work_conserving=0 is not True or False"):
        make(work_conserving=0)
    assert isinstance(make(work_conserving=False).spec(), Policy)


@pytest.mark.parametrize("option", ["sched", "memctl", "ringctl"])
def test_the_command_refuses_a_policy_in_python(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["boot", "--backend", "sim", "--guest", "kernel=model:disk", f"--{option}", "python:mine"]
    assert main(words) == 2
    assert "python:mine: a policy in Python runs in the program that defines it" in capsys.readouterr().err


def test_the_hypervisor_refuses_a_policy_in_python() -> None:
    with pytest.raises(SpecError, match="python:keeps_vcpus"):
        Machine(guests=BUSY.guests[:1], sched=KeepsVcpus.spec()).run()


class Hesitates(kind_oracles.Fifo):
    """Serves the device in every other millisecond only, and says that it may."""

    name = "hesitates"
    work_conserving = False

    def next(self, now):  # type: ignore[no-untyped-def]
        millisecond = now // MILLISECOND
        return super().next(now) if millisecond % 2 else (millisecond + 1) * MILLISECOND


class HesitatesUnsaid(Hesitates):
    """Does the same and promises not to."""

    name = "hesitates_unsaid"
    work_conserving = True


class Withholds(kind_oracles.FirstFit):
    """Gives no frame in every other call, and says that it may."""

    name = "withholds"
    work_conserving = False
    calls = 0

    def choose(self, domain, wanted):  # type: ignore[no-untyped-def]
        self.calls += 1
        return super().choose(domain, wanted) if self.calls % 2 else None


class WithholdsUnsaid(Withholds):
    """Does the same and promises not to."""

    name = "withholds_unsaid"
    work_conserving = True


@pytest.mark.parametrize(
    ("field", "policy", "ejected"),
    [
        ("ringctl", Hesitates, None),
        ("ringctl", HesitatesUnsaid, "wrong_answer"),
        ("memctl", Withholds, None),
        ("memctl", WithholdsUnsaid, "wrong_answer"),
    ],
)
def test_what_may_idle_says_so(field: str, policy: type[PythonPolicy], ejected: str | None) -> None:
    run = simulate(replace(MACHINES[field], **{field: policy.spec()}))  # type: ignore[arg-type]
    assert [(p.name, p.ejected) for p in run.landmark.policies if p.kind == policy.kind] == [
        (policy.name, ejected)
    ]


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (Scheduler, "scheduler bare: class Bare lacks wake and deschedule and pick"),
        (MemoryPolicy, "memory policy bare: class Bare lacks admit and choose and rebalance"),
        (RingPolicy, "ring policy bare: class Bare lacks enqueue and next and withdraw"),
    ],
)
def test_hooks_without_a_default_must_be_there(base: type[PythonPolicy], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        type("Bare", (base,), {"name": "bare"}).spec()  # type: ignore[attr-defined]
    whole = {hook: lambda self, *arguments: None for hook in base.required}
    policy = type("Whole", (base,), {"name": "whole", **whole})
    assert policy.spec() == Policy("python:whole", {})  # type: ignore[attr-defined]


class HomeFirst(oracles.RoundRobin):
    """Each vCPU in turn on the pCPUs that it prefers, if it prefers any."""

    name = "home_first"
    honours_preferences = True
    work_conserving = False

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        for vcpu in self.queue:
            if vcpu.may_run_on(pcpu.id) and (vcpu.prefers(pcpu.id) or not vcpu.preferred):
                self.queue.remove(vcpu)
                return vcpu, 1_000_000
        return None


def test_a_scheduler_declares_that_it_honours_preferences() -> None:
    hogs = tuple(Guest(f"hog{i}", "workload:cpu_hog", memory=4 * MIB, preferred=(1,)) for i in range(2))
    machine = Machine(guests=hogs, pcpus=2, sched=HomeFirst.spec(), duration=50_000_000, end_when_idle=False)
    run = machine.run(backend="sim")
    assert run.warnings == () and run.landmark.policies[0].ejected is None
    for guest in hogs:
        assert set(run.select("run_in", guest.name)["pcpu"]) == {1}
    careless = replace(
        machine,
        sched=type("Careless", (HomeFirst,), {"name": "careless", "honours_preferences": False}).spec(),
    )
    assert careless.run(backend="sim").warnings == (
        "careless ignores preferred pCPUs, but preferred pCPUs are set for hog0, hog1; choose another scheduler",
    )
