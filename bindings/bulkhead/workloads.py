"""The workloads of the built guest image: victims and attacks. Their list and texts come from their source files."""

from __future__ import annotations

from dataclasses import dataclass

from bulkhead.paths import ROOT
from bulkhead.spec import SpecError
from bulkhead.text import suggest

SORTS = {"victims": "victim", "attacks": "attack"}


@dataclass(frozen=True)
class Workload:
    """One workload; `sort` is victim or attack, `summary` the opening comment of its file."""

    name: str
    sort: str
    summary: str


def _opening_comment(source: str) -> str:
    words = []
    for line in source.splitlines():
        if not line.startswith("//"):
            break
        words.append(line.removeprefix("//").strip())
    return " ".join(words)


def workloads() -> dict[str, Workload]:
    """Every workload by name."""
    found = {}
    for folder, sort in SORTS.items():
        for path in sorted((ROOT / "workloads" / folder).glob("*.cpp")):
            found[path.stem] = Workload(path.stem, sort, _opening_comment(path.read_text(encoding="utf-8")))
    return found


def check_workload(name: str) -> None:
    """SpecError with a suggestion if there is no such workload."""
    known = workloads()
    if name not in known:
        raise SpecError(f"unknown workload '{name}'{suggest(name, known)}")
