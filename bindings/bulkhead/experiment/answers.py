"""Right results of the jobs that guests do, worked out without them: what a host lost or mixed up shows in a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from bulkhead.linux.report import results

# The generator of the workload `checksum`: value -> FACTOR * value + ADDEND (mod 2**64).
FACTOR, ADDEND = 6364136223846793005, 1442695040888963407
WORD = (1 << 64) - 1
FIRST_TEXT = "bulkhead"  # of the Linux job `digest`


def checksum(seed: int, steps: int) -> int:
    """The generator's value after so many steps, by doubling them and not by taking them."""
    factor, addend = FACTOR, ADDEND
    all_factor, all_addend = 1, 0
    while steps:
        if steps & 1:
            all_factor, all_addend = all_factor * factor & WORD, (all_addend * factor + addend) & WORD
        factor, addend, steps = factor * factor & WORD, (factor + 1) * addend & WORD, steps >> 1
    return (all_factor * seed + all_addend) & WORD


def digest(rounds: int) -> str:
    """The end of a chain of SHA-256 digests, each of the one before as text."""
    text = FIRST_TEXT
    for _ in range(rounds):
        text = sha256(text.encode()).hexdigest()
    return text


def is_silent(console: str, job: str, wanted: Mapping[str, str]) -> bool:
    """The job ended and its lines have none of these names: a model of it, which has nothing that could go wrong."""
    lines = list(results(console, job))
    return bool(lines) and not any(wanted.keys() & line.keys() for line in lines)


def reported(console: str, job: str, wanted: Mapping[str, str]) -> bool:
    """A line of the job on the console has all these values."""
    return any(wanted.items() <= line.items() for line in results(console, job))
