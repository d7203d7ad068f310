"""Every command that README and the documents show is one that works: its words, its machine and its plan are checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from bulkhead.backend.check import check_machine
from bulkhead.backend.qemu.prepare import prepare
from bulkhead.base.units import MIB
from bulkhead.cli import main
from bulkhead.cli import run as run_command
from bulkhead.cli.application import app
from bulkhead.experiment.find import find
from bulkhead.experiment.plan import check_policies, leave_out, make_plan
from bulkhead.experiment.runner import RunRequest
from bulkhead.model.machine import REGISTRY, Machine
from bulkhead.model.options import RunOptions
from bulkhead.testing import LAYERS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "workloads" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLACEHOLDER = re.compile(r"^[A-Z]{2,}(/|$|\.)|^[A-Z]$|\.\.\.|[{<\[]|\bmy_\w+|=[A-Z]{4,}")
COMMAND = re.compile(r"^(?: {4}|)(\./bulkhead [^\n]*(?:\\\n[^\n]*)*)", re.MULTILINE)


def shown(page: Path) -> list[str]:
    """Commands of a page's code blocks, without those that leave something for the reader to fill in."""
    found = [
        " ".join(match.replace("\\\n", " ").split()) for match in COMMAND.findall(page.read_text("utf-8"))
    ]
    whole = [line for line in found if not line.endswith("\\")]
    return [line for line in whole if not any(map(PLACEHOLDER.search, shlex.split(line, comments=True)))]


OWN_DISK = re.compile(r"disk=(\w+\.img)\b")  # a file that the page has made with another command
COMMANDS = sorted({line for page in PAGES for line in shown(page)})


class Accepted(Exception):
    """The command would now begin its work."""


def accept_machine(machine: Machine, options: RunOptions | None = None, backend: str = "qemu") -> None:
    ours = all(guest.kernel.startswith(("workload:", "model:")) for guest in machine.guests)
    check_machine(machine)
    if ours and backend == "qemu":
        prepare(machine)
    elif ours:
        REGISTRY.backend(backend).begin(machine, RunOptions())
    raise Accepted


def accept_plan(request: RunRequest) -> None:
    experiment = find(request.name)
    plan = make_plan(experiment, request.quick, request.sets, samples=request.samples)
    plan = leave_out(plan, request.backend, REGISTRY.cannot_carry_out)
    check_policies(plan)
    assert not (experiment.simulator_only and request.backend != "sim")
    raise Accepted


def parse(words: list[str]) -> None:
    """The command's own parser takes the words."""
    command = typer.main.get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    with command.make_context(words[0], words[1:]):
        raise Accepted


def test_there_are_commands_to_try() -> None:
    assert len(COMMANDS) > 40
    assert {line.split()[1] for line in COMMANDS} >= {
        "demo",
        "test",
        "list",
        "run",
        "boot",
        "compare",
        "report",
    }


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_documents_is_accepted(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(line, comments=True)[1:]
    monkeypatch.chdir(tmp_path)
    for image in OWN_DISK.findall(line):
        (tmp_path / image).write_bytes(bytes(MIB))
    monkeypatch.setattr(Machine, "run", accept_machine)
    monkeypatch.setattr(run_command, "run_experiment", accept_plan)
    ways: dict[str, Callable[[list[str]], object]] = {"run": main, "demo": main, "boot": main}
    if words[0] == "list":
        assert main(words) == 0
        return
    if words[0] == "test":
        assert set(words[1:]) <= {*LAYERS, "fresh"}
        return
    with pytest.raises(Accepted):
        ways.get(words[0], parse)(words)
