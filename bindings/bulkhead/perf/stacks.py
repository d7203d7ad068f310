"""Samples as stacks: the text of `perf script` counted by stack, and what they say function by function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

FRAME = re.compile(r"^\s+[0-9a-f]+ (?P<symbol>.*) \((?P<file>[^()]*|\[[^]]*\])\)$")
OFFSET = re.compile(r"\+0x[0-9a-f]+$")
UNKNOWN = "[unknown]"
GENERATED = ("//anon", "[JIT]", "[anon]", UNKNOWN, "")  # code that is in no file: what QEMU translated


@dataclass(frozen=True)
class Stacks:
    """Numbers of samples by stack, outermost frame first. The outermost is the thread's name."""

    counts: Counter[tuple[str, ...]]

    @property
    def samples(self) -> int:
        """All of them."""
        return sum(self.counts.values())

    def by_function(self) -> list[tuple[str, float]]:
        """Part of the samples in each function itself (0..1), most first."""
        own: Counter[str] = Counter()
        for stack, count in self.counts.items():
            own[stack[-1]] += count
        return [(name, count / self.samples) for name, count in own.most_common()]

    def lines(self) -> str:
        """One stack in each line, frames separated by ';', with its number of samples."""
        return "".join(f"{';'.join(stack)} {count}\n" for stack, count in sorted(self.counts.items()))


def _frame(symbol: str, file: str) -> str:
    """A function's name, or in brackets the file that it is somewhere in."""
    name = OFFSET.sub("", symbol)
    if name and name != UNKNOWN:
        return name.replace(";", ":")
    if file.startswith(GENERATED[0]) or file in GENERATED:
        return "[generated code]"
    return f"[{PurePath(file.strip('[]')).name}]"


def read_stacks(lines: Iterable[str]) -> Stacks:
    """From the lines of `perf script -F comm,ip,sym,dso`: a name, then a frame in each line, innermost first."""
    counts: Counter[tuple[str, ...]] = Counter()
    name, frames = "", list[str]()

    def end() -> None:
        if name:
            stack = (name, *reversed(frames))
            counts[tuple(f for i, f in enumerate(stack) if i == 0 or f[0] != "[" or f != stack[i - 1])] += 1

    for line in lines:
        if not line.strip():
            end()
            name, frames = "", []
        elif found := FRAME.match(line.rstrip("\n")):
            frames.append(_frame(found["symbol"], found["file"]))
        elif not line[0].isspace() or not frames:
            name = line.strip().rstrip(":").strip()
    end()
    return Stacks(counts)
