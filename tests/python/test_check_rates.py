"""`check` finds a ring policy that takes a limit, a bandwidth or a reservation for a domain and does not keep it."""

from __future__ import annotations

import pytest
from bulkhead.base.sdk import build_folder
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.policy.scaffold import scaffold
from bulkhead.testing.check import rates

TEXT = "    static constexpr ringctl::Text text{"
TABLE = """\
    static constexpr plugin::Parameter domain_parameters[] = {
        {"limit", "1/s", "taken and ignored", 0, 0, 1'000'000},
        {"bandwidth", "KiB/s", "taken and ignored", 0, 0, 1'000'000},
        {"reservation", "1/s", "taken and ignored", 0, 0, 1'000'000},
    };
"""


@pytest.fixture(scope="module")
def promises_only(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """One queue for all requests, whatever a domain was promised."""
    folder = tmp_path_factory.mktemp("policies")
    path = scaffold("ringctl", "promises_only", folder)
    text = path.read_text(encoding="utf-8")
    assert TEXT in text
    path.write_text(text.replace(TEXT, TABLE + TEXT, 1), encoding="utf-8")
    build_folder(folder)
    return Policy(str(folder / "build" / "promises_only.so"))


def test_promises_that_are_not_kept_are_found(promises_only: Policy) -> None:
    verdicts = list(rates.promises(promises_only, choose("ring", promises_only).policy))
    assert [verdict.holds for verdict in verdicts] == [False, False, False], verdicts
    assert "300/s allowed" in verdicts[0].detail and "800/s reserved" in verdicts[2].detail


def test_promises_that_are_kept_hold() -> None:
    verdicts = list(rates.promises(Policy("mclock"), choose("ring", Policy("mclock")).policy))
    assert [verdict.holds for verdict in verdicts] == [True, True, True], verdicts


def test_a_policy_without_such_parameters_promises_nothing() -> None:
    assert not list(rates.promises(Policy("fifo"), choose("ring", Policy("fifo")).policy))
