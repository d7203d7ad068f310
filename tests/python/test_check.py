"""`check` and `artifact`: promises that hold, promises that are broken, and claims with what makes them again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from bulkhead.base.errors import SpecError
from bulkhead.cli import main
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.policy.tables import built_policies
from bulkhead.result import read_result
from bulkhead.testing.check import Verdict, check, random_machine
from test_figures import REFERENCES

SOUND = sorted(name for name, policy in built_policies("scheduler").items() if not policy.has("misbehaves"))


def verdicts(policy: Policy, machines: int = 4) -> dict[str, Verdict]:
    found = check(policy, choose("scheduler", policy).policy, machines)
    return {verdict.promise: verdict for verdict in found}


@pytest.mark.parametrize("name", SOUND)
def test_the_policies_that_are_built_keep_their_promises(name: str) -> None:
    assert {v.promise: v.detail for v in verdicts(Policy(name)).values() if not v.holds} == {}


@pytest.mark.parametrize(
    "mode, promise, detail",
    [
        (1, "is never ejected", "seed 1: ejected: wrong_answer in pick"),
        (17, "never idles beside a runnable vCPU", "beside a runnable vCPU"),
    ],
)
def test_a_broken_promise_is_found_with_its_seed(mode: int, promise: str, detail: str) -> None:
    verdict = verdicts(Policy("chaos", {"mode": mode}))[promise]
    assert not verdict.holds and detail in verdict.detail and verdict.detail.startswith("seed ")


def test_machines_come_from_their_seeds_and_differ() -> None:
    machines = [random_machine(Policy("credit"), seed) for seed in range(1, 30)]
    assert machines == [random_machine(Policy("credit"), seed) for seed in range(1, 30)]
    assert {machine.pcpus for machine in machines} == {1, 2, 3, 4}
    assert any(guest.affinity for machine in machines for guest in machine.guests)
    assert {entry.action for machine in machines for entry in machine.timeline} == {
        "set_weight",
        "pause",
        "unpause",
    }


def test_the_command_has_a_line_for_each_promise_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "round_robin:slice=1000", "--machines", "2", "--boots", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9 and all(line.startswith("holds ") for line in lines[1:])
    assert "not promised: the policy declares that it ignores weights" in lines[-2]
    assert main(["check", "chaos:mode=1", "--machines", "1", "--boots", "0"]) == 1
    assert "BROKEN is never ejected" in capsys.readouterr().out
    assert main(["check", "credit", "--machines", "0"]) == 2
    with pytest.raises(SpecError, match="unknown scheduler 'credt'"):
        choose("scheduler", Policy("credt"))


def test_each_claim_has_a_command_and_a_hash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in REFERENCES[:3]:
        shutil.copy(path, tmp_path)
    assert main(["artifact", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for path in REFERENCES[:3]:
        result = read_result(path)
        assert f"## {result.title}" in text and result.question in text
        assert f"`./bulkhead run {result.experiment}" in text
    assert len(set(re.findall(r"`([0-9a-f]{64})`", text))) == 3
    assert main(["artifact", str(tmp_path / "nothing")]) == 2
