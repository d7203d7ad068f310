"""The guest interface in other machines than the guest tests' own: two pCPUs, another maker's processor, other options."""

from __future__ import annotations

import dataclasses

import pytest

from bulkhead.backend.qemu import process
from bulkhead.model.options import RunOptions
from bulkhead.testing.guest import GUEST, machine


def verdict(name: str, pcpus: int = 1, linear_tables: bool = True) -> str:
    """What a guest test says of itself in a machine of its own."""
    changed = dataclasses.replace(machine(name), pcpus=pcpus, linear_tables=linear_tables)
    run = changed.run(RunOptions())
    assert run.landmark.audit_failures == 0
    lines = [line for line in run.consoles[GUEST].splitlines() if line.startswith(f"VERDICT {name} ")]
    assert lines, run.consoles
    return lines[0].removeprefix(f"VERDICT {name} ").strip()


def test_a_vcpu_that_runs_on_another_pcpu_gets_its_events_at_once() -> None:
    assert verdict("running_vcpu", pcpus=2) == "success"


def test_a_machine_may_refuse_linear_page_tables() -> None:
    refused = "failure an entry of the root for itself was refused: EINVAL"
    assert verdict("linear_tables", linear_tables=False) == refused


def test_a_processor_without_smap_copies_with_care(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each copy then takes the way that it takes elsewhere once a domain has linear tables."""
    monkeypatch.setitem(process.CPU, "tcg", "max,-smap")
    run = machine("all").run(RunOptions())
    assert "SMAP absent" in run.consoles["bulkhead"]
    verdicts = [line.split()[2] for line in run.consoles[GUEST].splitlines() if line.startswith("VERDICT ")]
    assert len(verdicts) > 60 and set(verdicts) <= {"success", "skip"}
    assert (run.exit_status, run.landmark.audit_failures) == (0, 0)


def test_sysenter_enters_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processors of Intel's have the instruction in 64-bit mode."""
    monkeypatch.setitem(process.CPU, "tcg", "max,vendor=GenuineIntel")
    assert verdict("user_sysenter") == "success"
