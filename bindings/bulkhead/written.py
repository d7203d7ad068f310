"""What policies written in Python have in common, whatever their kind: a name, parameters, registration.

Slow (a few microseconds of this computer for each hook) and exact: a policy's decisions do not depend on its language.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from bulkhead import _core
from bulkhead.policies import KIND_TEXT, PYTHON, Parameter, Policy
from bulkhead.spec import PolicySpec, SpecError
from bulkhead.text import suggest

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")

Host = _core.Host

_registered: dict[str, dict[str, type[Written]]] = {kind: {} for kind in KIND_TEXT}


class Written:
    """Base of the bases: `Scheduler`, `MemoryPolicy`, `RingPolicy`. Derive from those."""

    kind: ClassVar[str]
    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    host: Host
    values: dict[str, int]

    def __init_subclass__(cls) -> None:
        if "kind" in cls.__dict__:
            return  # the base of a kind
        name = getattr(cls, "name", "")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SpecError(
                f"{KIND_TEXT[cls.kind]} {cls.__name__}: give it a name of lower-case letters, digits and '_'"
            )
        _registered[cls.kind][name] = cls

    def __init__(self, values: dict[str, int]) -> None:
        self.values = values

    def _start(self, host: Host, told: Any = None) -> None:
        self.host = host
        self._tell(told)
        self.start()

    def _tell(self, told: Any) -> None:
        """What a kind is told at the start beside the host."""

    def start(self) -> None:
        """`host` and `values` are there; nothing else is yet."""

    @classmethod
    def spec(cls, **values: int) -> PolicySpec:
        """This policy for a `Machine`. SpecError for an unknown parameter or a value out of its range."""
        spec = PolicySpec(f"{PYTHON}{cls.name}", values)
        python_policy(cls.kind, spec)
        return spec


class PythonPolicy(NamedTuple):
    """A policy's class with what the rest of the package wants to know of a policy."""

    written: type[Written]
    policy: Policy
    values: dict[str, int]


def python_policy(kind: str, spec: PolicySpec) -> PythonPolicy:
    """The policy that a spec of `spec()` names. SpecError if it cannot be as written."""
    name, known, text = spec.name.removeprefix(PYTHON), _registered[kind], KIND_TEXT[kind]
    if name not in known:
        raise SpecError(f"there is no Python {text} '{name}'{suggest(name, known)}")
    written = known[name]
    rows = {row.name: row for row in written.parameters}
    for key, value in spec.parameters.items():
        if key not in rows:
            raise SpecError(f"{text} {name} has no parameter '{key}'{suggest(key, rows)}")
        if not rows[key].least <= value <= rows[key].most:
            raise SpecError(
                f"{text} {name}: {key}={value} is outside {rows[key].least} to {rows[key].most} {rows[key].unit}"
            )
    values = {row.name: spec.parameters.get(row.name, row.initial) for row in written.parameters}
    doc = (written.__doc__ or "").strip().partition("\n")[0]
    policy = Policy(kind, name, doc, "", "", "", written.parameters, (), _file_of(written))
    return PythonPolicy(written, policy, values)


def _file_of(written: type[Written]) -> Path:
    """Where it is written; a notebook's cell has no file."""
    try:
        return Path(inspect.getfile(written))
    except (OSError, TypeError):
        return Path("notebook")
