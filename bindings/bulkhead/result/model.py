"""The contents of a result file. It has no date, no host name and no host time: the same code and seed give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bulkhead.base.errors import SpecError
from bulkhead.base.html import table
from bulkhead.base.plain import FormatError
from bulkhead.base.text import suggest

Level = int | str
Levels = dict[str, Level]


@dataclass(frozen=True)
class FactorRow:
    """A factor that was varied, and its values. `unit` is "" for names."""

    help: str
    unit: str
    values: list[Level]
    policies: str = ""  # the kind of the policies, if the values name some


@dataclass(frozen=True)
class SettingRow:
    """A setting that was held fixed."""

    help: str
    unit: str
    value: int


@dataclass(frozen=True)
class MetricRow:
    """Meaning and unit of a metric; `of` is the metric that a comparison is made of, with its base line's levels."""

    help: str
    unit: str
    of: str | None
    baseline: Levels | None


@dataclass(frozen=True)
class VersionRow:
    """The versions that the result was made with."""

    commit: str
    dirty: bool
    qemu: str
    compiler: str
    trace_schema: int


@dataclass(frozen=True)
class PolicyRow:
    """A policy as it really ran: effective parameters, from the hypervisor's own report."""

    kind: str
    name: str
    parameters: dict[str, int]
    ejected: str | None
    ejected_at: int
    hook_calls: int
    hook_ns: int
    hook_max_ns: int
    hook: str | None = None  # in which it was ejected


@dataclass(frozen=True)
class DomainRow:
    """One domain's account over the whole run [ns]; `share` is of all pCPU time.

    `sched` has the effective value of each parameter that the scheduler has for domains, under its name. `control_share`
    is what domain 0 has of one pCPU beside its turns [%], from the host of a scheduler that ignores weights.
    """

    name: str
    weight: int
    guest_ns: int
    hypervisor_ns: int
    waiting_ns: int
    blocked_ns: int
    share: float
    hypercalls: int
    traps: int
    events_sent: int
    wakes: int
    run_ins: int
    sched: dict[str, int] = field(default_factory=dict)
    control_share: int = 0


@dataclass(frozen=True)
class Ledger:
    """Where all pCPU time of the run went [ns]. `skew_ns` is what the accounts fail to explain: 0 in a correct hypervisor."""

    wall_ns: int
    guest_ns: int
    hypervisor_ns: int
    idle_ns: int
    unbilled_ns: int
    unbilled_share: float
    skew_ns: int
    domain_skew_ns: int
    idle_while_runnable_ns: int
    capacity_lost_share: float
    domains: list[DomainRow]


@dataclass(frozen=True)
class Rmax:
    """The longest non-preemptible section of the hypervisor."""

    ns: int
    kind: str
    number: int
    domain: int
    pcpu: int


@dataclass(frozen=True)
class Spread:
    """The interval of a number's samples, and how many samples have an answer."""

    low: int | float
    high: int | float
    answers: int


@dataclass(frozen=True)
class SampleRow:
    """One sample: the offsets of each guest's start and of its periodic activity's phase, the trace, and the numbers."""

    sample: int
    starts_ns: dict[str, int]
    phases_ns: dict[str, int]
    exit_status: int
    trace_sha256: str
    trace_records: int
    metrics: dict[str, Any]
    skew_ns: int  # of the ledger
    unbilled_share: float
    r_max: Rmax
    ejected: list[str]  # names of policies


@dataclass(frozen=True)
class PointResult:
    """One point of the experiment. `metrics` holds numbers (null: no answer), possibly under names (a domain, a percentile).

    With several samples a number is the median of theirs, `spread` has its interval by path (latency.p99) and `samples`
    each sample; `r_max` is the worst of them, and the rest (trace, ledger, policies) is that of sample 0.
    `instruction_ns` is the length of a pCPU's instruction (null: the clock does not count them), and `parallel` says
    whether it is independent of what other pCPUs do.
    """

    levels: Levels
    exit_status: int
    window_start_ns: int
    window_end_ns: int
    trace_sha256: str
    trace_records: int
    policies: list[PolicyRow]
    metrics: dict[str, Any]
    ledger: Ledger
    r_max: Rmax
    spread: dict[str, Spread] = field(default_factory=dict)
    samples: list[SampleRow] = field(default_factory=list)
    instruction_ns: int | None = None
    parallel: bool = False

    @property
    def ejected(self) -> list[str]:
        """Names of the policies that were ejected: the built-in fallback ran in their place from then on."""
        return [policy.name for policy in self.policies if policy.ejected is not None]


ORIGINS = {"qemu": "measured on the hypervisor", "sim": "simulated"}  # by back end


@dataclass(frozen=True)
class Result:
    """One experiment's result. `left_out` has the points that the back end can never carry out, and why."""

    format_version: int
    experiment: str
    title: str
    question: str
    backend: str
    quick: bool
    seed: int
    repeats: int
    reproducible: bool
    factors: dict[str, FactorRow]
    settings: dict[str, SettingRow]
    policy_settings: dict[str, int]
    metrics: dict[str, MetricRow]
    versions: VersionRow
    warnings: list[str]
    points: list[PointResult]
    left_out: dict[str, str] = field(default_factory=dict)
    samples: int = 1  # of each point
    origin: str = ""  # simulated, or measured on the hypervisor; empty in files older than the field

    @property
    def provenance(self) -> str:
        """Whether the numbers are simulated or measured on the hypervisor, in words."""
        return self.origin or " and ".join(ORIGINS.get(name, name) for name in self.backend.split("+"))

    def where(self, levels: Mapping[str, Level]) -> list[PointResult]:
        """The points that have all these levels, in the order in which they were declared."""
        return [p for p in self.points if all(p.levels.get(name) == value for name, value in levels.items())]

    def value(self, levels: Mapping[str, Level], path: str) -> int | float | None:
        """A metric at the one point with these levels; LookupError if there is not exactly one."""
        points = self.where(levels)
        if len(points) != 1:
            raise LookupError(f"{len(points)} points of {self.experiment} have {dict(levels)}")
        return lookup(points[0].metrics, path)

    def _repr_html_(self) -> str:
        """One row for each point with its plain numbers."""
        factors = list(self.factors)
        paths = dict.fromkeys(
            name
            for point in self.points
            for name, value in point.metrics.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        )
        head = [*factors, *(f"{name} [{self.metrics[name].unit}]" for name in paths)]
        rows = [
            [
                *(point.levels[name] for name in factors),
                *(
                    f"{point.metrics[name]:.6g}" if point.metrics.get(name) is not None else ""
                    for name in paths
                ),
            ]
            for point in self.points
        ]
        return table(self.title, head, rows, f"{self.question} Values are {self.provenance}.")


class UnknownMetric(SpecError, LookupError):
    """A path that names no number."""


def lookup(metrics: Mapping[str, Any], path: str) -> int | float | None:
    """A number by path, e.g. "latency.p99"; None if the run had no answer. `UnknownMetric` for an unknown one."""
    value: Any = metrics
    for name in path.split("."):
        if value is None:
            return None
        if not isinstance(value, Mapping) or name not in value:
            raise UnknownMetric(
                f"unknown metric {path}{suggest(name, value if isinstance(value, Mapping) else ())}"
            )
        value = value[name]
    if isinstance(value, Mapping):
        raise UnknownMetric(f"metric {path} has parts: {', '.join(value)}")
    number: int | float | None = value
    return number


def check_metrics(metrics: Mapping[str, Any], place: str) -> None:
    """Numbers, null, or objects of these; FormatError otherwise."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            check_metrics(value, f"{place}.{name}")
        elif isinstance(value, bool) or not isinstance(value, (int, float, type(None))):
            raise FormatError(f"{place}.{name}: {value!r} is not a number")
