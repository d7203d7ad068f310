"""`bulkhead test`: layers in order, a line for each, one line for all. `bulkhead fuzz`: fuzzers for longer."""

from __future__ import annotations

from typing import List

import typer

from bootstrap import packages
from bulkhead.base.errors import SpecError
from bulkhead.base.text import parse_duration, suggest
from bulkhead.testing import LAYERS, print_cases, run_layers
from bulkhead.testing.fuzz import CORPORA, fuzz_for


def test(layers: List[str] = typer.Argument(None, metavar="[LAYER...]")) -> int:
    """Run tests: unit, policy, sim, guest, system, fuzz, lint; without a layer, all of these. Exit status 1 if one failed.

    The layer fresh runs only when it is named: demo and all tests in a minimal Debian 12, as root.
    """
    for layer in layers or []:
        if layer not in LAYERS:
            raise SpecError(f"test: unknown layer '{layer}'{suggest(layer, LAYERS)}")
    return run_layers(list(dict.fromkeys(layers or packages.LAYERS)))


def fuzz(
    names: List[str] = typer.Argument(None, metavar="[NAME...]"),
    length: str = typer.Option("10min", "--for", help="for all of them together, as 90s, 30min or 2h"),
) -> int:
    """Run fuzzers in turn, the time split evenly. Corpora and inputs that crash stay in out/fuzz. Exit status 1 if one failed."""
    return print_cases("fuzz", fuzz_for(names or [], parse_duration(length, "fuzz --for"), CORPORA))
