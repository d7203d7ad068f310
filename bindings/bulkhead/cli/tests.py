"""`bulkhead test`: layers in order, a line for each, one line for all."""

from __future__ import annotations

from typing import List

import typer

from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.testing import LAYERS, run_layers


def test(layers: List[str] = typer.Argument(None, metavar="[LAYER...]")) -> int:
    """Run tests: unit, policy, sim, guest, system, fuzz, lint; without a layer, all. Exit status 1 if one failed."""
    for layer in layers or []:
        if layer not in LAYERS:
            raise SpecError(f"test: there is no layer '{layer}'{suggest(layer, LAYERS)}")
    return run_layers(list(dict.fromkeys(layers or LAYERS)))
