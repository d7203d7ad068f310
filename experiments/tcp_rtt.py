"""TCP's estimate of a round trip, over a link of known delay, by the guest's time mode.

Two Linux guests share a pCPU with hogs. The client sends little, and reads its own estimates (`ss -ti`) meanwhile. In mode
`virtual` its clock stands still while its vCPU waits for the pCPU, but packets on the link do not wait with it. So the estimate
is shorter than the link by what the vCPU waited meanwhile, and no hypervisor can hide that from a guest that talks to others.

The hogs start together with a small guest, and the client waits until that one answers ping.
"""

from __future__ import annotations

from collections.abc import Callable

from bulkhead import MIB, SECOND, Guest, GuestNet, Machine, Network, Policy
from bulkhead.base.errors import BulkheadError
from bulkhead.experiment import (
    Choice,
    Experiment,
    Factor,
    Metric,
    Observed,
    Point,
    Setting,
    Whole,
    duration,
    small_guest,
    warm_up,
)
from bulkhead.figures import Lines, Panel, Quantity, Reference
from bulkhead.linux.kernel import DEBIAN_KERNEL
from bulkhead.linux.report import results
from bulkhead.result.model import Level

SERVER, CLIENT, GATE = 1, 2, 9  # last bytes of their addresses
HOGS_START = 19 * SECOND  # about when two guests have booted
LINUX_MEMORY = 128 * MIB
LONGER_THAN_A_RUN = 3600  # seconds
HOGS = (0, 1, 2)
DELAY_US = 10_000
LAN = (GuestNet("lan"),)


def linux(name: str, job: str, mode: str) -> Guest:
    """A Linux guest with an interface, one job and this clock."""
    words = f"console=hvc0 quiet cryptomgr.notests bulkhead.job={job}"
    return Guest(
        name,
        DEBIAN_KERNEL,
        words,
        initrd="image:tcp",
        memory=LINUX_MEMORY,
        nets=LAN,
        time_mode=mode,
    )


def machine(point: Point) -> Machine:
    """Server and client, both by the same clock, the gate and the hogs."""
    mode = point.text("time")
    busy = ":busy" if point.text("client") == "computing" else ""
    job = f"rtt:{CLIENT}:{SERVER}:{point.number('seconds')}:{GATE}{busy}"
    guests = (
        linux("server", f"tcp:{SERVER}:0:1500:{LONGER_THAN_A_RUN}", mode),
        linux("client", job, mode),
        small_guest("gate", "udp_echo", f"host={GATE}", memory=8 * MIB, nets=LAN, start=HOGS_START),
        *(small_guest(f"hog{i + 1}", "cpu_hog", start=HOGS_START) for i in range(point.number("hogs"))),
    )
    return Machine(
        guests=guests,
        sched=Policy("credit2"),
        network=Network(delay_us=point.number("delay_us")),
        memory=512 * MIB,
        duration=point.duration_ns,
        seed=point.number("seed"),
        end_when_idle=False,
        trace_bytes=64 * MIB,
    )


def report(run: Observed) -> dict[str, str]:
    """What the client reported. BulkheadError if it did not."""
    rows = results(run.run.consoles.get("client", ""), "rtt")
    if len(rows) != 2 or rows[1] != {"status": "0"} or "rtt_ms" not in rows[0]:
        raise BulkheadError(f"{run.point.label}: the client has no result; raise duration_ms")
    return rows[0]


def truth(run: Observed) -> int:
    """The link's delay there and back [ns]."""
    return 2 * 1_000 * run.point.number("delay_us")


def estimate(key: str) -> Callable[[Observed], float]:
    """One of the client's estimates [ns]."""
    return lambda run: float(report(run)[key]) * 1e6


def counted(key: str) -> Callable[[Observed], int]:
    """One of the client's counters."""
    return lambda run: int(report(run)[key])


def error(run: Observed) -> float:
    """How far the smoothed estimate is from the link's delay [%]."""
    return 100 * (estimate("rtt_ms")(run) / truth(run) - 1)


METRICS = (
    Metric("rtt", "ns", "client's smoothed estimate of the round trip, median", estimate("rtt_ms")),
    Metric("minrtt", "ns", "the least round trip that the client saw so far, median", estimate("minrtt_ms")),
    Metric("truth", "ns", "the link's delay, there and back", truth),
    Metric("error", "%", "how far `rtt` is from `truth`", error),
    Metric("estimates", "1", "estimates that were read", counted("estimates")),
    Metric("segments", "1", "segments that the client sent", counted("segments")),
    Metric("sent_again", "1", "segments that the client sent again", counted("again")),
    Metric("for_nothing", "1", "of these, which the server said it had", counted("for_nothing")),
    Metric("timeouts", "1", "times that the client's timer made it", counted("timeouts")),
    Metric(
        "dropped",
        "1",
        "packets that the switch dropped; if none, whatever was sent again was so for nothing",
        lambda run: len(run.trace.of("net_drop")),
    ),
)

LINK: dict[Level, tuple[float, float, float]] = {hogs: (2e3 * DELAY_US,) * 3 for hogs in HOGS}


def panel(letter: str, client: str, path: str, label: str) -> Panel:
    """An estimate over the hogs, of an idle client or a computing one."""
    return Panel(
        path=path,
        quantity=Quantity(f"{label} [ms]", factor=1e-6),
        title=f"({letter}) client {'that computes' if client == 'computing' else 'idle but for sending'}",
        where={"client": client},
        references=(Reference("the link's delay", "declared", LINK),),
    )


FIGURE = Lines(
    name="tcp_rtt",
    caption=(
        "A Linux client's own smoothed estimate of the round trip to a Linux server, over a link of 10 ms each way, beside "
        "hogs on the same pCPU. In mode virtual a vCPU's waits are not part of its clock, and the packets on the link do not "
        "wait with it. Red marks: the link's delay, there and back."
    ),
    x="hogs",
    x_label="hogs on the pCPU",
    series="time",
    panels=(panel("a", "idle", "rtt", "round trip"), panel("b", "computing", "rtt", "round trip")),
)

EXPERIMENT = Experiment(
    name="tcp_rtt",
    title="TCP's estimate of a round trip",
    question="How far is TCP's estimate of a round trip from the link's delay, by the guest's time mode?",
    factors=(
        Factor(
            "time", "time mode of both guests", ("real", "virtual"), ("virtual",), Choice(("real", "virtual"))
        ),
        Factor(
            "client",
            "what the client does",
            ("idle", "computing"),
            ("computing",),
            Choice(("idle", "computing")),
        ),
        Factor("hogs", "hogs on the pCPU", HOGS, (2,), Whole(0, 8)),
    ),
    settings=(
        duration(full=36_000, quick=36_000),
        warm_up(full=20_000, quick=20_000),
        Setting("delay_us", "delay of the link, one way", "us", DELAY_US, DELAY_US, 1_000, 100_000),
        Setting("seconds", "how long the client sends", "s", 3, 3, 2, 60),
    ),
    machine=machine,
    metrics=METRICS,
    comparisons=(),
    figures=(FIGURE,),
    hypervisor_only="the simulator does not run Linux",
)
