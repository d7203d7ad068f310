"""`check` and `artifact`: promises that hold, promises that are broken, and claims with what makes them again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import ROOT
from bulkhead.cli import main
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.policy.tables import KIND_TEXT, built_policies
from bulkhead.result import read_result
from bulkhead.testing.check import MACHINES, Verdict, check
from bulkhead.testing.check.sanitized import CLEAN, sanitized, source_of
from test_figures import REFERENCES

SOUND = {
    kind: sorted(name for name, policy in built_policies(kind).items() if not policy.has("misbehaves"))
    for kind in KIND_TEXT
}


def verdicts(policy: Policy, machines: int = 4, kind: str = "scheduler") -> dict[str, Verdict]:
    found = check(policy, choose(kind, policy).policy, machines)
    return {verdict.promise: verdict for verdict in found}


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in SOUND.items() for name in names])
def test_the_policies_that_are_built_keep_their_promises(kind: str, name: str) -> None:
    found = verdicts(Policy(name), kind=kind)
    assert {v.promise: v.detail for v in found.values() if v.holds is False} == {}
    assert len(found) >= 5 and sum(v.holds is True for v in found.values()) >= 4


@pytest.mark.parametrize(
    ("kind", "mode", "promise", "detail"),
    [
        ("scheduler", 1, "is never ejected", "seed 1: ejected: wrong_answer in pick"),
        ("scheduler", 17, "never idles beside a runnable vCPU", "beside a runnable vCPU"),
        ("ring", 1, "is never ejected", "ejected: wrong_answer in next"),
        ("ring", 6, "serves the requests of a ring in their order", "was served out of order"),
        ("memory", 4, "is never ejected", "ejected: wrong_answer in rebalance"),
    ],
)
def test_a_broken_promise_is_found_with_its_seed(kind: str, mode: int, promise: str, detail: str) -> None:
    verdict = verdicts(Policy("chaos", {"mode": mode}), kind=kind)[promise]
    assert verdict.holds is False and detail in verdict.detail and verdict.detail.startswith("seed ")


@pytest.mark.parametrize("kind", sorted(MACHINES))
def test_machines_come_from_their_seeds_and_differ(kind: str) -> None:
    policy = Policy(SOUND[kind][0])
    machines = [MACHINES[kind](policy, seed) for seed in range(1, 30)]
    assert machines == [MACHINES[kind](policy, seed) for seed in range(1, 30)]
    assert len(set(map(repr, machines))) == 29
    assert len({len(machine.guests) for machine in machines}) >= 5
    actions = {entry.action for machine in machines for entry in machine.timeline}
    assert "set_weight" in actions and len(actions) >= 2
    if kind == "scheduler":
        assert {machine.pcpus for machine in machines} == {1, 2, 3, 4}
        assert any(guest.affinity for machine in machines for guest in machine.guests)


def test_the_command_has_a_line_for_each_promise_and_a_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "token_bucket:burst=4", "--machines", "2", "--boots", "0"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert "the ring policy ..." in head and all(line.startswith(("holds ", "- ")) for line in lines)
    assert sum("with sanitizers, in the simulator" in line for line in lines) == 7
    assert lines[-1].startswith(f"holds  {CLEAN}")
    assert [line for line in lines if "not promised: the policy declares that it may idle" in line]
    assert main(["check", "chaos:mode=1", "--kind", "ringctl", "--machines", "1", "--boots", "0"]) == 1
    out = capsys.readouterr().out
    assert "BROKEN is never ejected" in out and "BROKEN no request is lost or served twice" in out
    assert main(["check", "credit", "--machines", "0"]) == 2
    assert main(["check", "drr", "--kind", "rings"]) == 2
    assert "write sched, memctl, ringctl" in capsys.readouterr().err
    with pytest.raises(SpecError, match="unknown scheduler 'credt'"):
        choose("scheduler", Policy("credt"))


IN_PYTHON = '''
from bulkhead import Parameter, Request, RingPolicy


class Oldest(RingPolicy):
    """The oldest request first, and never the last one of its queue."""

    name = "oldest"
    parameters = (Parameter("kept", "1", "requests that stay", initial=0, least=0, most=9),)

    def start(self) -> None:
        self.queue: list[Request] = []

    def enqueue(self, request: Request, now: int) -> None:
        self.queue.append(request)

    def withdraw(self, request: Request) -> None:
        self.queue.remove(request)

    def next(self, now: int) -> Request | int | None:
        return self.queue.pop(0) if len(self.queue) > self.values["kept"] else None
'''


def test_a_policy_in_python_is_checked_without_sanitizers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "oldest.py"
    path.write_text(IN_PYTHON, encoding="utf-8")
    assert main(["check", str(path), "--machines", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith(f"-      {CLEAN}") and "this policy is in Python" in lines[-2]
    assert "the hypervisor runs no policies in Python" in lines[-1]
    assert main(["check", f"{path}:kept=1", "--machines", "2"]) == 1
    assert "BROKEN is never ejected" in capsys.readouterr().out
    path.write_text("x = 1", encoding="utf-8")
    assert main(["check", str(path)]) == 2
    assert "is to declare one policy; it declares none" in capsys.readouterr().err


def test_the_source_of_a_policy_is_found_beside_it_or_above_it(tmp_path: Path) -> None:
    table = choose("ring", Policy("fifo")).policy
    assert source_of(table) == ROOT / "ringctl" / "fifo.cpp"
    (tmp_path / "build").mkdir()
    copy = tmp_path / "build" / "fifo.so"
    shutil.copy(table.path, copy)
    spec = Policy(str(copy))
    assert source_of(choose("ring", spec).policy) is None
    (verdict,) = sanitized(choose("ring", spec))
    assert verdict.holds is None and verdict.detail == "not tried: fifo.cpp is not beside fifo.so"
    (tmp_path / "fifo.cpp").write_text("", encoding="utf-8")
    assert source_of(choose("ring", spec).policy) == tmp_path / "fifo.cpp"


def test_a_source_that_is_not_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "nowhere/mine.cpp"]) == 2
    assert "nowhere/mine.cpp does not exist; write the path" in capsys.readouterr().err


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
