"""Scheduling policies written in Python, for the simulator: the contract of sched/contract.hpp, hook for hook.

Slow (a few microseconds of this computer for each hook) and exact: a policy's decisions do not depend on its language.
"""

from __future__ import annotations

import enum
import inspect
import re
from pathlib import Path
from typing import ClassVar, NamedTuple

from bulkhead import _core
from bulkhead.policies import PYTHON, Parameter, Policy
from bulkhead.spec import PolicySpec, SpecError
from bulkhead.text import suggest

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
_STOPS = _core.enums["sched.Stop"]

Domain = _core.SchedDomain
Host = _core.Host
Pcpu = _core.SchedPcpu
Vcpu = _core.SchedVcpu


class Stop(enum.IntEnum):
    """Why a vCPU stopped running, or left the queue. After the first three it is still runnable."""

    SLICE_END = _STOPS["slice_end"]
    YIELDED = _STOPS["yielded"]
    PREEMPTED = _STOPS["preempted"]
    BLOCKED = _STOPS["blocked"]
    PAUSED = _STOPS["paused"]
    GONE = _STOPS["gone"]

    @property
    def still_runnable(self) -> bool:
        """Whether the vCPU is queued again."""
        return self <= Stop.PREEMPTED


class Decision(NamedTuple):
    """What `pick` answers: who runs, and for how long [ns]. `None` for nobody until `slice_ns` has passed."""

    vcpu: Vcpu | None
    slice_ns: int


_registered: dict[str, type[Scheduler]] = {}


class Scheduler:
    """Base of a scheduler in Python. Derive, give it a `name`, write the hooks, and run it: `sched=Mine.spec(slice=1000)`.

    Hooks get the simulator's own objects: a `Vcpu` has `id`, `domain`, `last_pcpu`, `affinity`, `may_run_on(pcpu)`, a
    `Domain` has `id`, `weight`, `cap` [% of one pCPU], `vcpus`, a `Pcpu` has `id`; each takes any other attribute that the
    policy wants to keep with it. Times are whole nanoseconds. `self.host` has `pcpus`, `now()`, `random()` (64 bits from the
    run's seed), `kick(pcpu)` and `note(code, value)`; `self.values` has the effective parameters.

    What a hook may rely on, and what `pick` may answer, is said in sched/contract.hpp. An exception in a hook ends the run.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    host: Host
    values: dict[str, int]

    def __init_subclass__(cls) -> None:
        name = getattr(cls, "name", "")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SpecError(f"scheduler {cls.__name__}: give it a name of lower-case letters, digits and '_'")
        _registered[name] = cls

    def __init__(self, values: dict[str, int]) -> None:
        self.values = values

    def _start(self, host: Host) -> None:
        self.host = host
        self.start()

    def start(self) -> None:
        """`host` and `values` are there; no vCPU is yet."""

    def attach(self, vcpu: Vcpu) -> None:
        """A vCPU appears, not runnable."""

    def detach(self, vcpu: Vcpu) -> None:
        """A vCPU disappears, neither queued nor running; the policy must forget it."""

    def wake(self, vcpu: Vcpu, now: int) -> None:
        """A blocked vCPU is runnable from `now` on [ns]."""
        raise NotImplementedError

    def deschedule(self, vcpu: Vcpu, why: int, ran: int, now: int) -> None:
        """A vCPU stopped for a reason of `Stop`, having run for `ran` ns; or it left the queue (`ran` = 0)."""
        raise NotImplementedError

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        """Who runs on `pcpu` next and for how long [ns, 50,000 to 1,000,000,000]; None for nobody until there is a kick."""
        raise NotImplementedError

    def charge(self, vcpu: Vcpu, amount: int) -> None:
        """The hypervisor worked `amount` ns for this vCPU while it was not running."""

    def tune(self, domain: Domain) -> None:
        """The weight or cap of a domain has changed."""

    @classmethod
    def spec(cls, **values: int) -> PolicySpec:
        """This scheduler for `Machine(sched=...)`. SpecError for an unknown parameter or a value out of its range."""
        spec = PolicySpec(f"{PYTHON}{cls.name}", values)
        python_policy(spec)
        return spec


class PythonPolicy(NamedTuple):
    """A scheduler class with what the rest of the package wants to know of a policy."""

    scheduler: type[Scheduler]
    policy: Policy
    values: dict[str, int]


def python_policy(spec: PolicySpec) -> PythonPolicy:
    """The scheduler that a spec of `Scheduler.spec` names. SpecError if it cannot be as written."""
    name = spec.name.removeprefix(PYTHON)
    if name not in _registered:
        raise SpecError(f"there is no Python scheduler '{name}'{suggest(name, _registered)}")
    scheduler = _registered[name]
    rows = {row.name: row for row in scheduler.parameters}
    for key, value in spec.parameters.items():
        if key not in rows:
            raise SpecError(f"scheduler {name} has no parameter '{key}'{suggest(key, rows)}")
        if not rows[key].least <= value <= rows[key].most:
            raise SpecError(
                f"scheduler {name}: {key}={value} is outside {rows[key].least} to {rows[key].most} {rows[key].unit}"
            )
    values = {row.name: spec.parameters.get(row.name, row.initial) for row in scheduler.parameters}
    doc = (scheduler.__doc__ or "").strip().partition("\n")[0]
    policy = Policy("scheduler", name, doc, "", "", "", scheduler.parameters, (), _file_of(scheduler))
    return PythonPolicy(scheduler, policy, values)


def _file_of(scheduler: type[Scheduler]) -> Path:
    """Where it is written; a notebook's cell has no file."""
    try:
        return Path(inspect.getfile(scheduler))
    except (OSError, TypeError):
        return Path("notebook")
