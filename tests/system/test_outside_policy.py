"""A policy in a folder of its own: made by `new`, built against installed headers, loaded into the hypervisor."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from machines import assert_sound, boot, said, workload

from bootstrap.build import build_dir
from bulkhead import MIB, Guest, Machine, Policy
from bulkhead.policy.scaffold import scaffold


def installed_command(prefix: Path) -> str:
    install = ["cmake", "--install", str(build_dir("release")), "--component", "sdk", "--prefix", str(prefix)]
    subprocess.run(install, check=True, capture_output=True)
    return str(prefix / "bin" / "bulkhead-plugin")


def test_policies_from_outside_run(tmp_path: Path) -> None:
    folder = tmp_path / "policies"
    for kind, name in (
        ("scheduler", "from_outside"),
        ("memctl", "memory_outside"),
        ("ringctl", "ring_outside"),
    ):
        scaffold(kind, name, folder)
    subprocess.run([installed_command(tmp_path / "sdk"), str(folder)], check=True, capture_output=True)
    spec = Policy(str(folder / "build" / "from_outside.so"), {"slice": 1000})
    run = boot(workload("compute", "for_ms=20"), sched=spec)
    assert run.landmark.policies[0].name == "from_outside", said(run)
    assert run.landmark.policies[0].ejected is None
    assert_sound(run)
    machine = Machine(
        guests=(
            Guest("reader", "model:disk", memory=4 * MIB),
            Guest("user", "model:memory", memory=4 * MIB),
        ),
        sched=spec,
        memctl=Policy(str(folder / "build" / "memory_outside.so")),
        ringctl=Policy(str(folder / "build" / "ring_outside.so")),
        duration=20_000_000,
        end_when_idle=False,
    )
    simulated = machine.run(backend="sim")
    assert [policy.name for policy in simulated.landmark.policies] == [
        "from_outside",
        "memory_outside",
        "ring_outside",
    ]
    assert all(policy.ejected is None for policy in simulated.landmark.policies)


def test_a_folder_without_policies_is_refused(tmp_path: Path) -> None:
    command = [installed_command(tmp_path / "sdk"), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2 and "there is no *.cpp" in result.stderr


@pytest.mark.parametrize(
    ("spoilt", "sentence"),
    [
        ("[[gnu::used]] static int kept = 1;\n", "a policy has no writable globals"),
        (
            '[[gnu::used]] static void add() { asm volatile("addpd %xmm1, %xmm0"); }\n',
            "the code uses the guests' registers xmm0, xmm1",
        ),
    ],
    ids=["writable global", "vector register"],
)
def test_a_policy_that_hosts_would_refuse_does_not_build(tmp_path: Path, spoilt: str, sentence: str) -> None:
    folder = tmp_path / "policies"
    scaffold("scheduler", "spoilt", folder)
    source = folder / "spoilt.cpp"
    source.write_text(source.read_text(encoding="utf-8") + spoilt, encoding="utf-8")
    command = [installed_command(tmp_path / "sdk"), str(folder)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode != 0 and not (folder / "build" / "spoilt.so").exists()
    assert sentence in result.stdout + result.stderr
