"""What the hypervisor's own work costs, in instructions: measured on it by `bulkhead calibrate`, read by the simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bulkhead import _core
from bulkhead.paths import ROOT
from bulkhead.spec import BulkheadError
from bulkhead.text import suggest

FILE = ROOT / "sim" / "costs.json"
HELP = dict(_core.sim_costs)


@dataclass(frozen=True)
class Costs:
    """Instructions by name; a name that is not given costs nothing. SpecError-like message for an unknown one."""

    instructions: dict[str, int]

    def __post_init__(self) -> None:
        for name, value in self.instructions.items():
            if name not in HELP:
                raise BulkheadError(f"the simulator has no cost '{name}'{suggest(name, HELP)}")
            if not isinstance(value, int) or not 0 <= value < 1 << 40:
                raise BulkheadError(f"cost {name}={value}: write whole instructions from 0 up")

    @staticmethod
    def none() -> Costs:
        """A hypervisor that takes no time."""
        return Costs({})

    @staticmethod
    def read(path: Path = FILE) -> Costs:
        """The calibrated costs. BulkheadError if the file is missing or damaged."""
        try:
            return Costs(json.loads(path.read_text(encoding="utf-8"))["instructions"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BulkheadError(f"{path} holds no costs ({error}); run ./bulkhead calibrate") from None
