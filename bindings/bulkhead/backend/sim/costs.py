"""Costs of the hypervisor's own work, in instructions: measured on it by `bulkhead calibrate`, read by the simulator."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bulkhead import _core
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import ROOT
from bulkhead.base.text import suggest

FILE = ROOT / "experiments" / "costs.json"
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
    def read(policy: str | None, path: Path = FILE) -> Costs:
        """The costs calibrated under a policy, or for one that was not there, the median over those that were.

        BulkheadError if the file is missing or damaged.
        """
        try:
            return _read(policy, path, path.stat().st_mtime_ns)
        except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
            raise BulkheadError(f"{path} holds no costs ({error}); run ./bulkhead calibrate") from None


@functools.lru_cache(maxsize=64)
def _read(policy: str | None, path: Path, modified: int) -> Costs:
    """Read again only if the file has changed."""
    rows = json.loads(path.read_text(encoding="utf-8"))["instructions"]
    names = rows[next(iter(rows))]
    middle = {name: int(np.median([row[name] for row in rows.values()])) for name in names}
    return Costs(rows.get(policy, middle))
