"""Rules of published work that experiments compute, against the numbers that their papers print."""

from __future__ import annotations

import importlib.util
from fractions import Fraction
from types import ModuleType

import pytest
from bulkhead.experiment.find import FOLDER


def module_of(experiment: str) -> ModuleType:
    """The file of an experiment, with the functions that it is made of."""
    spec = importlib.util.spec_from_file_location(f"rules_of_{experiment}", FOLDER / f"{experiment}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


RESERVATIONS = module_of("mclock_reservations")


def printed(capacity: int) -> tuple[Fraction, Fraction, Fraction]:
    """mClock's figure 3 for rd, oltp and dm, as the text of the paper's section 3 describes it, piece by piece."""
    whole = Fraction(capacity)
    if whole < 500:
        return whole / 2, whole / 2, Fraction(0)
    if whole <= 875:
        return Fraction(250), Fraction(250), whole - 500
    if whole < 1500:
        return Fraction(250), (whole - 250) * 2 / 5, (whole - 250) * 3 / 5
    if whole < 2000:
        return whole / 6, whole / 3, whole / 2
    return (whole - 1000) / 3, (whole - 1000) * 2 / 3, Fraction(1000)


@pytest.mark.parametrize("capacity", [100, *range(300, 2600, 25)])
def test_the_allocation_is_that_of_the_figure(capacity: int) -> None:
    computed = RESERVATIONS.allocation(Fraction(capacity), RESERVATIONS.TENANTS)
    assert tuple(computed[name] for name in ("rd", "oltp", "dm")) == printed(capacity)


def test_the_example_of_the_text() -> None:
    computed = RESERVATIONS.allocation(Fraction(1200), RESERVATIONS.TENANTS)
    assert computed == {"rd": 250, "oltp": 380, "dm": 570}


def test_without_reservations_and_limits_all_is_by_weight() -> None:
    tenants = {name: RESERVATIONS.Tenant(weight) for name, weight in (("a", 1), ("b", 2), ("c", 5))}
    assert RESERVATIONS.allocation(Fraction(80), tenants) == {"a": 10, "b": 20, "c": 50}
