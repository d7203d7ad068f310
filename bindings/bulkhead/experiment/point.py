"""One point of an experiment: a level of each factor, a value of each setting. And the names that every experiment shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bulkhead.base.errors import SpecError
from bulkhead.base.text import suggest
from bulkhead.model.spec import Policy
from bulkhead.result.model import Level

DURATION = "duration_ms"
WARM_UP = "warm_up_ms"
DRAIN = "drain_ms"
PARAMETER_MARK = "+"  # between the parameters of a level NAME:p=v+q=w, where a comma is between levels
BACKEND = "backend"  # a factor of this name says which back end carries a point out


@dataclass(frozen=True)
class Point:
    """One combination of levels, with the settings of the whole experiment."""

    levels: Mapping[str, Level]
    settings: Mapping[str, int]
    policy_settings: Mapping[str, int] = field(default_factory=dict)  # "POLICY.PARAMETER"

    @staticmethod
    def _value(name: str, known: Mapping[str, Level]) -> Level:
        if name not in known:
            raise SpecError(f"the experiment declares no factor or setting '{name}'{suggest(name, known)}")
        return known[name]

    def text(self, name: str) -> str:
        """Level of a factor whose levels are names."""
        value = self._value(name, self.levels)
        if not isinstance(value, str):
            raise SpecError(f"factor {name} has numbers; read it with point.number")
        return value

    def number(self, name: str) -> int:
        """Level of a factor whose levels are numbers, or a setting."""
        value = self._value(name, {**self.levels, **self.settings})
        if not isinstance(value, int):
            raise SpecError(f"factor {name} has names; read it with point.text")
        return value

    def policy(self, name: str) -> Policy:
        """Level of a policy factor, with what `--set POLICY.PARAMETER=V` said of it."""
        policy = Policy.of(self.text(name).replace(PARAMETER_MARK, ","))
        prefix = f"{policy.name}."
        given = {k.removeprefix(prefix): v for k, v in self.policy_settings.items() if k.startswith(prefix)}
        return Policy(policy.name, {**given, **policy.parameters})

    @property
    def duration_ns(self) -> int:
        """How long the run lasts."""
        return self.number(DURATION) * 1_000_000

    @property
    def label(self) -> str:
        """For people and file names: "victim=compute,hogs=2"; a path's slashes are underscores."""
        return ",".join(f"{name}={value}" for name, value in self.levels.items()).replace("/", "_")
