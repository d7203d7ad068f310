"""Samples of a machine that goes on while it is read: what counts as one instant is one, and rates are what they say."""

from __future__ import annotations

import io
import random
import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bulkhead.backend import snapshot
from bulkhead.backend.snapshot import read_account, sample_of
from bulkhead.base.errors import BulkheadError
from bulkhead.base.layouts import layout
from bulkhead.base.schema import constant
from bulkhead.cli import main
from bulkhead.cli.progress import Progress
from bulkhead.cli.watch import COLUMNS, Watcher, count, fitting, plain_lines, table
from bulkhead.experiment.progress import Bar, in_room
from bulkhead.model.landmark import DomainLedger, PcpuLedger, RingUse
from bulkhead.model.sample import Sample, rates
from rich.console import Console

LEDGER_AT = 0x8000
DOMAINS, PCPUS = 3, 2


class BusyRam:
    """The landmark and the ledger of a hypervisor that posts while it is read, one word at a time as hv/trace/ledger.cpp."""

    def __init__(self, seed: int, often: float) -> None:
        self._random, self._often = random.Random(seed), often
        self.page = np.zeros(1, dtype=layout("landmark.Page"))
        self.rows = np.zeros(DOMAINS, dtype=layout("landmark.LedgerEntry"))
        self.rows["state"], self.rows["name"] = 1, [b"a", b"b", b"c"]
        page = self.page[0]
        page["magic"], page["version"] = constant("landmark.magic"), constant("landmark.version")
        page["pcpus"], page["ledger_physical"] = PCPUS, LEDGER_AT
        page["ledger_used"] = page["ledger_capacity"] = DOMAINS
        self._words: list[tuple[Any, str, int]] = []

    def _step(self) -> None:
        if not self._words:
            pcpu = self.page[0]["pcpu_ledgers"][self._random.randrange(PCPUS)]
            field = self._random.choice(("guest_ns", "hypervisor_ns", "idle_ns", "unbilled_ns"))
            elapsed = self._random.randrange(1, 5)
            if field in ("guest_ns", "hypervisor_ns"):
                self._words.append((self.rows[self._random.randrange(DOMAINS)], field, elapsed))
            self._words += [(pcpu, field, elapsed), (pcpu, "end", elapsed)]
        row, field, elapsed = self._words.pop(0)
        row[field] += elapsed

    def read(self, physical: int, size: int) -> bytes:
        where = (
            (self.rows, LEDGER_AT)
            if physical >= LEDGER_AT and physical < LEDGER_AT + self.rows.nbytes
            else (self.page, constant("landmark.physical_address"))
        )
        raw, start = where[0].view(np.uint8), physical - where[1]
        words = []
        for word in range(start, start + size, 8):
            if self._random.random() < self._often:
                for _ in range(self._random.randrange(4)):
                    self._step()
            words.append(raw[word : min(word + 8, start + size)].tobytes())
        return b"".join(words)


def skew(sample: Sample) -> int:
    """Nanoseconds by which the domains' accounts miss those of the pCPUs."""
    billed = sum(row.guest_ns + row.hypervisor_ns for row in sample.domains.values())
    return billed - sum(pcpu.guest_ns + pcpu.hypervisor_ns for pcpu in sample.pcpus)


def test_what_is_called_exact_was_the_state_at_one_instant() -> None:
    exact = 0
    for seed in range(100):
        ram = BusyRam(seed, often=0.001)
        states = []
        step = ram._step

        def remember() -> None:
            step()
            if not ram._words:
                states.append((ram.rows["guest_ns"].tolist(), ram.page[0]["pcpu_ledgers"]["end"].tolist()))

        ram._step = remember  # type: ignore[method-assign]
        states.append(([0] * DOMAINS, ram.page[0]["pcpu_ledgers"]["end"].tolist()))
        account = read_account(ram)  # type: ignore[arg-type]
        if account.exact:
            exact += 1
            found = (account.rows["guest_ns"].tolist(), account.page["pcpu_ledgers"]["end"].tolist())
            assert found in states, seed
            assert skew(sample_of(account, 1, 0.0)) == 0
    assert exact > 60, "most reads find a quiet moment"


def test_a_machine_that_posts_too_fast_is_said_to_be_inexact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "TRIES", 5)
    ram = BusyRam(1, often=0.1)
    assert not read_account(ram).exact  # type: ignore[arg-type]


def test_no_landmark_no_sample() -> None:
    ram = BusyRam(1, often=0)
    ram.page["magic"] = 0
    with pytest.raises(BulkheadError, match="no landmark"):
        read_account(ram)  # type: ignore[arg-type]


def ledger(name: str, ran: int, **more: Any) -> DomainLedger:
    """An account of domain 1."""
    values: dict[str, Any] = {
        "domain": 1,
        "state": "alive",
        "weight": 256,
        "guest_ns": ran,
        "hypervisor_ns": 0,
        "waiting_ns": 0,
        "blocked_ns": 0,
        "hypercalls": 0,
        "traps": 0,
        "events_sent": 0,
        "wakes": 0,
        "run_ins": 0,
        "frames_owned": 512,
        "frames_peak": 512,
        "shutdown_reason": None,
    }
    return DomainLedger(name=name, **{**values, **more})


def machine_at(ms: int, *rows: DomainLedger, pcpus: int = 2) -> Sample:
    """A sample so many milliseconds after the start, all time of both pCPUs in guests or idle."""
    ns, ran = ms * 1_000_000, sum(row.guest_ns for row in rows)
    first = PcpuLedger(0, ns, ran, 0, ns - ran, 0)
    rest = (PcpuLedger(0, ns, 0, 0, ns, 0),) * (pcpus - 1)
    domains = {row.name: row for row in rows}
    return Sample(ns, 1_000_000_000, "running", "x", domains, (first, *rest), 1024, 512, True, ms / 10)


def test_rates_are_of_the_time_between_and_sorted() -> None:
    before = machine_at(100, ledger("a", 10_000_000, hypercalls=5), ledger("b", 50_000_000))
    after = machine_at(
        200,
        ledger("a", 60_000_000, hypercalls=25, waiting_ns=45_000_000, refreshed=90_000_000, console_bytes=9),
        ledger("b", 70_000_000),
    )
    found = rates(before, after)
    assert found.seconds == pytest.approx(0.1)
    assert [row.name for row in found.domains] == ["a", "b"]
    a, b = found.domains
    assert (a.cpu, b.cpu, found.idle) == (pytest.approx(0.25), pytest.approx(0.1), pytest.approx(0.65))
    assert a.hypercalls == pytest.approx(200)
    assert a.waiting == pytest.approx(0.5), "over the time since its own last refresh"
    assert a.console == pytest.approx(100)
    assert a.memory == 2 << 20


def test_no_time_no_rates_and_the_gone_are_left_out() -> None:
    now = machine_at(100, ledger("a", 10_000_000), ledger("old", 5, state="gone"))
    assert rates(now, now).domains == () and rates(now, now).seconds == 0
    later = machine_at(200, ledger("a", 20_000_000), ledger("old", 5, state="gone"))
    assert [row.name for row in rates(now, later).domains] == ["a"]


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0, "0"),
        (0.25, "0.2"),
        (7, "7"),
        (999.4, "999"),
        (1000, "1.0k"),
        (123_456, "123k"),
        (5e6, "5.0M"),
        (2e10, "20.0G"),
    ],
)
def test_rates_for_people(rate: float, text: str) -> None:
    assert count(rate) == text


def test_withheld_time_shows_where_there_is_any() -> None:
    at = machine_at(100, ledger("a", 0, withheld=250), ledger("b", 0))
    lines = " ".join(plain_lines(at, rates(None, at), None))
    assert "withheld 25 %" in lines and "withheld 0 %" in lines
    free = machine_at(100, ledger("a", 0), ledger("b", 0))
    assert "withheld" not in " ".join(plain_lines(free, rates(None, free), None))


def test_rates_of_rings_are_of_the_time_between() -> None:
    before = machine_at(100, ledger("a", 0, disks=RingUse(10, 40_960, 5_000_000, 1_000_000)))
    now = RingUse(30, 122_880, 155_000_000, 51_000_000)
    (row,) = rates(before, machine_at(200, ledger("a", 0, disks=now, networks=RingUse(5, 500)))).domains
    assert (row.disks.requests, row.disks.bytes) == (pytest.approx(200), pytest.approx(819_200))
    assert (row.disks.queued, row.disks.throttled) == (pytest.approx(1.5), pytest.approx(0.5))
    assert (row.networks.requests, row.networks.bytes) == (pytest.approx(50), pytest.approx(5_000))


def test_boot_watches_the_simulator(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "boot",
        "--backend",
        "sim",
        "--watch",
        "--for",
        "100ms",
        "--guest",
        "kernel=model:disk,name=reader",
    ]
    assert main(words) == 5
    lines = capsys.readouterr().err.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("   reader "))
    row = " ".join(" ".join(lines[first : first + 3]).split())
    found = re.search(r"blocks ([\d.]+k?)/s, block I/O ([\d.]+[kM]) B/s", row)
    assert found is not None and found.groups() != ("0", "0"), row


def test_a_plain_table_has_units_and_names() -> None:
    after = machine_at(200, ledger("a", 60_000_000))
    head, more, row, *_ = plain_lines(after, rates(None, after), 4.2)
    assert head == "-- 200 ms of 1 s, 800 ms left (about 4 s here); x;" and more.startswith("   idle 85.0 %")
    assert row.startswith("   a               weight 256, CPU 15.0 %")


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_table_fits_into_the_terminal(width: int) -> None:
    busy = {
        "hypercalls": 123_456,
        "traps": 9_999,
        "events_sent": 5_000_000,
        "wakes": 77_777,
        "run_ins": 88_888,
    }
    after = machine_at(200, ledger("a_name_15_long_", 60_000_000, **busy), ledger("b", 5_000_000))
    console = Console(width=width, file=io.StringIO())
    console.print(table(after, rates(None, after), 4.2, width))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    grid = [line for line in lines if "a_name_15_long_" in line or line.startswith("b")]
    assert len(grid) == 2 and all(len(line) <= width for line in lines)
    assert not any("…" in line for line in lines), "nothing is cut"
    titles = [title for title, _, _ in fitting(COLUMNS, rates(None, after).domains, width)]
    assert titles[:3] == ["weight", "CPU", "hyperv."] and "waiting" in titles
    assert len(titles) == (19 if width == 200 else len(titles)) and len(titles) >= 6


def drawn(sample: Sample, width: int = 80, height: int = 24) -> list[str]:
    """The lines of the table in a terminal of that size."""
    console = Console(width=width, height=height, file=io.StringIO())
    console.print(table(sample, rates(None, sample), 4.2, width, height))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


BUSY = {"hypercalls": 123_456, "traps": 9_999, "events_sent": 5_000_000, "wakes": 77_777, "run_ins": 88_888}
USED = {"console_bytes": 123_456, "copied_bytes": 9_999_999}


def crowd(guests: int, **more: Any) -> Sample:
    """So many guests with long names, the later ones with less CPU time."""
    rows = [
        ledger(f"a_name_of_15_{i:02}", 9_000_000 - i * 100_000, domain=i + 1, **BUSY, **more)
        for i in range(guests)
    ]
    return replace(machine_at(200, *rows), scheduler="credit_sampled", exact=False)


@pytest.mark.parametrize("guests", [1, 4, 30])
@pytest.mark.parametrize("disks", [False, True])
def test_every_line_is_at_most_80_columns_there(guests: int, disks: bool) -> None:
    more = {"disks": RingUse(123_456, 10**9, 10**8, 10**7)} if disks else {}
    sample = crowd(guests, **USED, **more)
    lines = drawn(sample)
    assert max(map(len, lines)) <= 80 and len(lines) <= 24 and not any("…" in line for line in lines)
    assert sum(line.startswith("a_name_of_15_") for line in lines) == min(guests, 19)
    assert (lines[-1] == "and 11 more domains with 18.1 % of the CPU time") == (guests == 30)
    assert ("block I/O" in "".join(lines)) == disks
    plain = plain_lines(sample, rates(None, sample), 4.2)
    assert max(map(len, plain)) <= 80
    own = [line for line in plain if line.startswith("   a_name_of_15_")]
    assert len(own) == guests and all(re.search(r"CPU [\d.]+ %", line) for line in own)
    joined = " ".join(" ".join(plain).split())
    assert joined.count("hypercalls") == 0 and joined.count("calls 617k/s") == guests
    assert joined.count("block I/O 5.0G B/s") == (guests if disks else 0)


def test_what_the_machine_has_not_has_no_column() -> None:
    bare = crowd(2, frames_owned=0)
    full = crowd(2, **USED, disks=RingUse(5, 4096), networks=RingUse(5, 320))
    words = {"memory": "MiB", "block I/O": "blocks", "console": "console", "copied": "copied"}
    words |= {"queued": "queued", "throttled": "throttled", "packets": "packets", "net": "net"}
    for title, word in words.items():
        assert title not in "".join(drawn(bare, 200)) and title in "".join(drawn(full, 200))
        assert f"{word} " not in " ".join(plain_lines(bare, rates(None, bare), None)[1:])


@pytest.mark.parametrize("running", [0, 1, 4, 30])
def test_the_bar_of_a_sweep_keeps_its_count_and_its_time(running: int) -> None:
    bar = Bar("the_name_of_an_experiment_that_is_long", 1234)
    console = Console(width=80, file=io.StringIO(), force_terminal=True, color_system=None)
    bar._bar.live.console = console
    for i in range(running):
        bar.started(f"sched=credit_sampled, attackers={i}, pcpus=2, seed=3, sample 4 of 9")
    console.print(bar._bar.get_renderable())
    assert isinstance(console.file, io.StringIO)
    (line,) = console.file.getvalue().splitlines()
    assert len(line) <= 80 and "/1234" in line and "-:--:--" in line
    assert ("sched=" in line) == (running == 1) and (f"{running} running" in line) == (running > 1)


@pytest.mark.parametrize(
    ("labels", "room", "text"),
    [
        (["a"], 20, "a"),
        (["sched=credit, hogs=3"], 14, "sched=credit,…"),
        (["sched=credit, hogs=3", "b", "c"], 40, "sched=credit, hogs=3 and 2 more"),
        (["sched=credit, hogs=3", "b", "c"], 20, "3 running"),
        (["sched=credit", "b"], 8, ""),
        ([], 80, ""),
    ],
)
def test_what_runs_is_named_in_the_room_that_there_is(labels: list[str], room: int, text: str) -> None:
    assert in_room(labels, room) == text


def test_the_last_table_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last sample may be of the same instant as the one before, and has no rates."""
    shown: list[object] = []
    watcher = Watcher()
    live = SimpleNamespace(
        console=SimpleNamespace(size=SimpleNamespace(width=80, height=24)),
        update=lambda table, refresh: shown.append((table, refresh)),
    )
    monkeypatch.setattr(watcher, "_live", live)
    last = machine_at(200, ledger("a", 60_000_000))
    for sample in (last, last):
        watcher.show(sample)
    assert len(shown) == 1


def test_building_is_not_counted_as_running(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bulkhead.cli.progress.PLAIN_INTERVAL_SECONDS", -1.0)
    with Progress("running") as progress:
        for done in (0.0, 0.0, 0.25):
            progress.fraction(done)
    assert capsys.readouterr().err.splitlines() == ["building guests", "building guests", "running: 25 %"]
