"""Makes the first version of something new from the example of its kind. Never overwrites a file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import ROOT

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SAYS_SO = "It is the example to copy"  # in the opening comment of the exemplar
LONGEST = 31  # characters; names are file names, and columns of tables


@dataclass(frozen=True)
class Example:
    """The smallest complete plug-in of a kind; a new plug-in starts as its copy."""

    folder: str
    header: str  # the new file's opening comment, with {name}

    @property
    def source(self) -> Path:
        """The file of the folder whose opening comment has SAYS_SO. SpecError unless exactly one file has it."""
        files = sorted((ROOT / self.folder).glob("*.cpp"))
        chosen = [path for path in files if SAYS_SO in " ".join(_opening(path).replace("//", "").split())]
        if len(chosen) != 1:
            names = ", ".join(path.name for path in chosen) or "no file"
            raise SpecError(
                f'new: {names} of {self.folder}/ has "{SAYS_SO}" in its opening comment; write it into exactly one file'
            )
        return chosen[0]


SCHEDULER_HEADER = """\
// {name}: say here in three sentences what the policy does. It starts as a round robin: runnable vCPUs wait in
// one queue. The first vCPU that may use the pCPU runs for a fixed slice, then goes to the queue's end.
//
// Paper:    the source of the idea.
// Good at:  equal shares of vCPUs that never sleep.
// Bad at:   latency, weights and caps (ignored).
// Bounds:   with n vCPUs that may use a pCPU, a runnable vCPU waits at most n - 1 slices there.
"""

MEMORY_HEADER = """\
// {name}: say here in three sentences what the policy does. It starts as first come, first served: a new domain
// gets the memory it asks for as long as frames are free, and no domain gives memory back.
//
// Source:   the source of the idea.
// Good at:  domains that were built early.
// Bad at:   domains that are built late; idle memory; weights (ignored).
// Bounds:   a domain keeps the target that it got when it was built.
"""

RING_HEADER = """\
// {name}: say here in three sentences what the policy does. It starts with one queue for all requests; the oldest
// request is served first.
//
// Source:   the source of the idea.
// Good at:  the device's throughput.
// Bad at:   isolation; weights (ignored).
// Bounds:   a request waits only for the requests that were queued before it.
"""

EXAMPLES = {
    "scheduler": Example("sched", SCHEDULER_HEADER),
    "memctl": Example("memctl", MEMORY_HEADER),
    "ringctl": Example("ringctl", RING_HEADER),
}


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _opening_lines(text: str) -> int:
    """Number of lines of the opening comment."""
    lines = text.splitlines()
    return next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))


def _opening(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return "\n".join(text.splitlines()[: _opening_lines(text)])


def _without_opening_comment(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[_opening_lines(text) :])


def check_name(kind: str, name: str) -> None:
    """SpecError if nothing new can have this name."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise SpecError(
            f"new {kind}: '{name}' is not a valid name; write at most {LONGEST} small letters, digits and single '_', "
            "beginning with a letter, for example my_policy"
        )


def scaffold(kind: str, name: str, folder: Path | None = None) -> Path:
    """Write NAME.cpp into the kind's own folder, or another one. SpecError if the name is not valid or is taken."""
    example = EXAMPLES[kind]
    check_name(kind, name)
    source = example.source
    target = (folder or ROOT / example.folder) / f"{name}.cpp"
    if target.exists() or (ROOT / example.folder / f"{name}.cpp").exists():
        raise SpecError(f"new {kind}: a {kind} named '{name}' exists already; choose another name")
    text = _without_opening_comment(source.read_text(encoding="utf-8"))
    text = re.sub(rf"\b{_class_name(source.stem)}\b", _class_name(name), text)
    text = text.replace(f'"{source.stem}"', f'"{name}"')
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(example.header.format(name=name) + text, encoding="utf-8")
    return target
