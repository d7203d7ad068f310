"""`boot --watch`: what each domain gets while the machine runs. A live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bulkhead.base.text import format_ns
from bulkhead.model.sample import DomainRates, Rates, Sample, rates

PLAIN_INTERVAL_SECONDS = 5.0
EVERY = 0.5  # seconds of this computer between two samples
MIB = 1 << 20
GAP = 2  # characters between two columns
WIDE = 200  # columns, and lines, where no terminal says otherwise
TALL = 1000
AROUND = 5  # lines of the table that are not a domain's: two of the machine, two of titles, the rest
PLAIN = 80  # columns of the plain lines
SMOOTH = 0.5  # weight of the newest pace in the estimate of the time left


def count(rate: float) -> str:
    """A rate or a size for people, at most four characters wide."""
    for unit in ("", "k", "M"):
        if rate < 999.5:
            return (
                f"{rate:.0f}{unit}"
                if rate >= 9.95 or rate == 0 or not unit and rate >= 1
                else f"{rate:.1f}{unit}"
            )
        rate /= 1000
    return f"{rate:.1f}G"


COLUMNS: tuple[tuple[str, str, Callable[[DomainRates], str]], ...] = (
    ("weight", "", lambda row: str(row.weight)),
    ("CPU", "%", lambda row: f"{100 * row.cpu:.1f}"),
    ("hyperv.", "%", lambda row: f"{100 * row.hypervisor:.2f}"),
    ("waiting", "vCPUs", lambda row: f"{row.waiting:.2f}"),
    ("events", "/s", lambda row: count(row.events)),
    ("wakes", "/s", lambda row: count(row.wakes)),
    ("runs", "/s", lambda row: count(row.run_ins)),
    ("calls", "/s", lambda row: count(row.hypercalls)),
    ("traps", "/s", lambda row: count(row.traps)),
    ("memory", "MiB", lambda row: f"{row.memory / MIB:.0f}"),
    ("withheld", "%", lambda row: f"{100 * row.withheld:.0f}"),
    ("blocks", "/s", lambda row: count(row.disks.requests)),
    ("block I/O", "B/s", lambda row: count(row.disks.bytes)),
    ("queued", "requests", lambda row: f"{row.disks.queued:.2f}"),
    ("throttled", "requests", lambda row: f"{row.disks.throttled:.2f}"),
    ("packets", "/s", lambda row: count(row.networks.requests)),
    ("net", "B/s", lambda row: count(row.networks.bytes)),
    ("console", "B/s", lambda row: count(row.console)),
    ("copied", "B/s", lambda row: count(row.copied)),
)


OF_DISKS = ("blocks", "block I/O", "queued", "throttled")
OF_NETWORKS = ("packets", "net")


class Pace:
    """How fast the machine's clock goes on this computer, from the samples."""

    def __init__(self) -> None:
        self._pace = 0.0  # machine's ns per second of this computer
        self._before: Sample | None = None

    def left(self, sample: Sample) -> float | None:
        """Seconds of this computer until the machine's time is over; None while the speed is not known."""
        before, self._before = self._before, sample
        if before is not None and before.at >= 0 and sample.host_seconds > before.host_seconds:
            newest = (sample.at - before.at) / (sample.host_seconds - before.host_seconds)
            self._pace = newest if self._pace == 0 else SMOOTH * newest + (1 - SMOOTH) * self._pace
        return sample.left / self._pace if self._pace > 0 else None


def head(sample: Sample, between: Rates, left: float | None) -> list[str]:
    """State of the run, in parts: its own time, the time left, the scheduler; unused pCPU time and memory."""
    if sample.at < 0:
        return [f"{sample.state}, building guests"]
    over = f", {format_ns(sample.left)} left" if sample.left else ", time over"
    here = f" (about {left:.0f} s here)" if left is not None and sample.left else ""
    idle = f"idle {100 * between.idle:.1f} %, unbilled {100 * between.unbilled:.2f} %"
    free = f"free {sample.free_frames * 4096 // MIB} of {sample.ram_frames * 4096 // MIB} MiB"
    rough = "" if sample.exact else "; read while it changed"
    when = f"{format_ns(sample.at)} of {format_ns(sample.duration)}"
    return [f"{when}{over}{here}; {sample.scheduler}", f"{idle}; {free}{rough}"]


def there(sample: Sample) -> list[tuple[str, str, Callable[[DomainRates], str]]]:
    """The columns of what the machine has: no disk, no column for it."""
    rows = sample.domains.values()
    used = {
        "memory": any(row.frames_owned for row in rows),
        "withheld": any(row.withheld for row in rows),
        **dict.fromkeys(OF_DISKS, any(row.disks.requests for row in rows)),
        **dict.fromkeys(OF_NETWORKS, any(row.networks.requests for row in rows)),
        "console": any(row.console_bytes for row in rows),
        "copied": any(row.copied_bytes for row in rows),
    }
    return [column for column in COLUMNS if used.get(column[0], True)]


def _folded(first: str, parts: Sequence[str], separator: str) -> list[str]:
    """Parts one after another, on as many lines as they need; further lines begin below the first part."""
    lines, indent = [first + parts[0]], " " * len(first)
    for part in parts[1:]:
        if len(f"{lines[-1]}{separator} {part}{separator}") <= PLAIN:
            lines[-1] += f"{separator} {part}"
        else:
            lines[-1] += separator
            lines.append(indent + part)
    return lines


def plain_lines(sample: Sample, between: Rates, left: float | None) -> list[str]:
    """The table without a terminal: the machine first, then each domain that lives."""
    lines = _folded("-- ", head(sample, between, left), ";")
    for row in between.domains:
        if row.state == "gone":
            continue
        cells = [
            f"{title} {cell(row)}{'' if unit == '/s' else ' '}{unit}".rstrip()
            for title, unit, cell in there(sample)
        ]
        lines += _folded(f"   {row.name:15} ", cells, ",")
    return lines


# Titles of the columns in the order in which a narrow terminal has room for them.
FIRST = (
    "CPU",
    "waiting",
    "weight",
    "hyperv.",
    "wakes",
    "runs",
    "memory",
    "withheld",
    "block I/O",
    "net",
    "events",
    "calls",
)


def fitting(
    columns: Sequence[tuple[str, str, Callable[[DomainRates], str]]], rows: Sequence[DomainRates], width: int
) -> list[tuple[str, str, Callable[[DomainRates], str]]]:
    """Those of the columns that a terminal of this width has room for, the most telling ones first to stay."""
    order = [*FIRST, *(title for title, _, _ in COLUMNS if title not in FIRST)]
    left, chosen = width - max([len("domain"), *(len(row.name) for row in rows)]), set()
    for title, unit, cell in sorted(columns, key=lambda column: order.index(column[0])):
        left -= GAP + max([len(title), len(unit), *(len(cell(row)) for row in rows)])
        if left < 0:
            break
        chosen.add(title)
    return [column for column in columns if column[0] in chosen]


def table(sample: Sample, between: Rates, left: float | None, width: int = WIDE, height: int = TALL) -> Group:
    """The table for a terminal of this size.

    A narrow one shows fewer columns, and none of them cut; a low one the domains with the most CPU time.
    """
    shown = between.domains[: max(1, height - AROUND)]
    columns = fitting(there(sample), shown, width)
    grid = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    grid.add_column("domain\n", no_wrap=True)
    for title, unit, _ in columns:
        grid.add_column(f"{title}\n{unit}", justify="right", no_wrap=True)
    for row in shown:
        style = "dim" if row.state == "gone" else ""
        grid.add_row(Text(row.name), *(cell(row) for _, _, cell in columns), style=style)
    parts = head(sample, between, left)
    whole = "; ".join(parts)
    top = Text(whole if len(whole) <= width else "\n".join(parts), style="bold")
    rest = between.domains[len(shown) :]
    if not rest:
        return Group(top, grid)
    used = f"{100 * sum(row.cpu for row in rest):.1f} %"
    return Group(top, grid, Text(f"and {len(rest)} more domains with {used} of the CPU time"))


class Watcher:
    """Shows samples; a context manager around one run. On the terminal that there is, else as lines on standard error."""

    def __init__(self) -> None:
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        self._live = Live(console=Console(file=stream), auto_refresh=False) if stream.isatty() else None
        self._before: Sample | None = None
        self._pace = Pace()
        self._next_plain = time.monotonic()

    def show(self, sample: Sample) -> None:
        """The newest sample, against the one shown before."""
        between, left = rates(self._before, sample), self._pace.left(sample)
        if self._live is not None and not between.domains and self._before is not None:
            return  # no time has passed: the table stays as it is
        if self._live is not None:
            size = self._live.console.size
            self._live.update(table(sample, between, left, size.width, size.height), refresh=True)
        elif time.monotonic() >= self._next_plain or sample.state == "finished":
            self._next_plain = time.monotonic() + PLAIN_INTERVAL_SECONDS
            print("\n".join(plain_lines(sample, between, left)), file=sys.stderr, flush=True)
        else:
            return  # the next line is about all the time since the last one
        self._before = sample

    def above(self, write: Callable[[str, str], None]) -> Callable[[str, str], None]:
        """The same writer of guests' lines, but so that they do not tear the table."""
        if self._live is None or not sys.stdout.isatty():
            return write
        console = self._live.console

        def careful(name: str, line: str) -> None:
            console.print(Text(f"{name}| {line}"))

        return careful

    def __enter__(self) -> Watcher:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
