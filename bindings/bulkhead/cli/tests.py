"""`bulkhead test`: layers in order, a line for each, one line for all."""

from __future__ import annotations

from typing import List

import typer

from bootstrap import packages
from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.testing import LAYERS, run_layers


def test(layers: List[str] = typer.Argument(None, metavar="[LAYER...]")) -> int:
    """Run tests: unit, policy, sim, guest, system, fuzz, lint; without a layer, all of these. Exit status 1 if one failed.

    The layer fresh runs only when it is named: demo and all tests in a minimal Debian 12, as root.
    """
    for layer in layers or []:
        if layer not in LAYERS:
            raise SpecError(f"test: unknown layer '{layer}'{suggest(layer, LAYERS)}")
    return run_layers(list(dict.fromkeys(layers or packages.LAYERS)))
