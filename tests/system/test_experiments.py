"""The two experiments, quickly, from the command line to figures; and what must come out of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Result

from bulkhead.policy.tables import built_policies


def points(path: Path) -> list[dict[str, Any]]:
    """The result's points."""
    loaded: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["points"]
    return loaded


@pytest.mark.parametrize("name", ["noisy_neighbour", "theft_of_service"])
def test_quick_and_repeated(name: str, command: Callable[..., Result], tmp_path: Path) -> None:
    result = command("run", name, "--quick", "--repeat", "2", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr + result.stdout
    assert "identical trace hashes" in result.stdout
    assert list(tmp_path.glob("*.json")) and list(tmp_path.glob("*.png")) and list(tmp_path.glob("*.pdf"))
    for point in points(tmp_path / f"{name}.json"):
        assert point["ledger"]["skew_ns"] == 0
        assert point["ledger"]["unbilled_share"] < 0.02
        assert point["r_max"]["ns"] > 0
        assert all(policy["ejected"] is None for policy in point["policies"])


def attacker_shares(path: Path) -> dict[str, float]:
    """The attacker's part of the CPU under each scheduler."""
    return {point["levels"]["sched"]: point["metrics"]["share"]["attacker"] for point in points(path)}


def test_theft_works_only_where_billing_samples(command: Callable[..., Result], tmp_path: Path) -> None:
    sets = ("--set", "sched=credit,credit_sampled")
    result = command("run", "theft_of_service", *sets, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    shares = attacker_shares(tmp_path / "theft_of_service.json")
    assert shares["credit_sampled"] >= 0.85
    assert shares["credit"] == pytest.approx(0.5, abs=0.01)


def test_schedulers_take_over_and_nothing_is_lost(command: Callable[..., Result], tmp_path: Path) -> None:
    result = command("run", "swap_midrun", "--quick", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    (point,) = points(tmp_path / "swap_midrun.json")
    found = point["metrics"]
    assert (
        found["takeovers"] == len(built_policies("scheduler")) - 1
    ), "all but chaos, and the first one twice"
    assert found["wanted"] >= 4 * found["takeovers"], "the hogs at least"
    assert found["lost"] == found["running_at_takeover"] == found["twice_at_once"] == found["ejections"] == 0
    assert found["lost_pings"] == 0 and set(found["jobs"].values()) == {1}
    assert found["account_error"] < 0.001
    assert (
        max(found["weight_error"].values()) < 0.25
    ), "over 100 ms, in which one turn is a fifth of the light one's part"
    assert min(found["reserved"].values()) >= 0.29, "the reservation holds again after the last swap"
    assert point["ledger"]["skew_ns"] == point["ledger"]["domain_skew_ns"] == 0


def test_noise_is_felt_least_where_wakers_come_first(command: Callable[..., Result], tmp_path: Path) -> None:
    settings = ("--set", "victim=responder", "--set", "hogs=0,4", "--set", "sched=round_robin,credit")
    result = command("run", "noisy_neighbour", "--quick", *settings, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    slowdown = {
        (point["levels"]["sched"], point["levels"]["hogs"]): point["metrics"]["slowdown"]
        for point in points(tmp_path / "noisy_neighbour.json")
    }
    assert slowdown["round_robin", 4] > 50 and slowdown["credit", 4] < 2


def test_samples_are_runs_of_their_own_on_the_hypervisor(
    command: Callable[..., Result], tmp_path: Path
) -> None:
    sets = ("--set", "sched=credit,round_robin", "--set", "victim=responder", "--set", "hogs=0,1")
    result = command("run", "noisy_neighbour", "--quick", "--samples", "3", *sets, "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "measured on the hypervisor, median and range of 3 samples" in result.stdout
    assert "credit is lower than round_robin in 3 of 3 samples" in result.stdout
    for point in points(tmp_path / "noisy_neighbour.json"):
        assert len({sample["trace_sha256"] for sample in point["samples"]}) == 3
        assert all(sample["skew_ns"] == 0 for sample in point["samples"])
