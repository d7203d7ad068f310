"""The list of bad policies' files, as the build made it: for the tests in Python and those that boot the hypervisor."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bootstrap.build import build_dir


@dataclass(frozen=True)
class BadFile:
    """A file that is refused with `sentence` when read as a policy of kind number `kind`."""

    path: Path
    kind: int
    by_hosts: bool  # not only by the build's check, which disassembles the code
    sentence: str


def bad_files() -> list[BadFile]:
    """All of them. FileNotFoundError before the build."""
    folder = build_dir("release") / "bad_policies"
    rows = [line.split("\t") for line in (folder / "refusals.tsv").read_text().splitlines()]
    return [
        BadFile(folder / f"{name}.so", int(kind), by_hosts == "1", sentence)
        for name, kind, by_hosts, sentence in rows
    ]
