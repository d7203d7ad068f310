"""The test runner: layers of tests, in the order in which a failure is cheapest to find."""

from __future__ import annotations

import time
from collections import Counter

from bootstrap import tools
from bootstrap.build import BuildError

from bulkhead.base.errors import BulkheadError
from bulkhead.testing.case import FAILED, PASSED, SKIPPED, Case, Layer
from bulkhead.testing.fresh import fresh
from bulkhead.testing.fuzz import fuzz
from bulkhead.testing.guest import guest
from bulkhead.testing.host import policy, sim, unit
from bulkhead.testing.lint import lint
from bulkhead.testing.system import system

LAYERS: dict[str, Layer] = {
    "unit": unit,
    "policy": policy,
    "sim": sim,
    "guest": guest,
    "system": system,
    "fuzz": fuzz,
    "lint": lint,
    "fresh": fresh,
}


def _run(layer: str) -> list[Case]:
    try:
        return LAYERS[layer]()
    except (BuildError, BulkheadError) as error:
        return [Case(f"{layer} cannot start", FAILED, str(error))]
    except FileNotFoundError as error:
        return [Case(f"{layer} cannot go on", FAILED, tools.explain(error))]


def _counts(cases: list[Case]) -> str:
    counts = Counter(case.verdict for case in cases)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in (PASSED, FAILED, SKIPPED))


def print_cases(layer: str, cases: list[Case]) -> int:
    """Print those that did not pass. 1 if a case failed, else 0."""
    for case in cases:
        if case.verdict != PASSED:
            print(f"{case.verdict.upper()} {layer} {case.name}")
            if case.detail:
                print("    " + case.detail.replace("\n", "\n    "))
    return 1 if any(case.verdict == FAILED for case in cases) else 0


def run_layers(layers: list[str]) -> int:
    """Run them, print their lines. 1 if a case failed, else 0."""
    everything: list[Case] = []
    for layer in layers:
        start = time.monotonic()
        cases = _run(layer)
        everything += cases
        print_cases(layer, cases)
        print(f"{layer}: {_counts(cases)} in {time.monotonic() - start:.0f} s", flush=True)
    print(_counts(everything))
    return 1 if any(case.verdict == FAILED for case in everything) else 0
