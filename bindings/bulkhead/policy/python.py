"""The common part of policies written in Python, whatever their kind: a name, parameters, registration.

Slow (a few microseconds of this computer for each hook) and exact: a policy's decisions do not depend on its language.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from bulkhead import _core
from bulkhead.base.errors import SpecError, mistake
from bulkhead.base.schema import constant
from bulkhead.base.text import suggest
from bulkhead.model.spec import Policy
from bulkhead.policy.tables import KIND_TEXT, PYTHON, Parameter, PolicyTable, effective

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")

# A policy's promise, and the trait of one that does not keep it.
_PROMISES = {
    "work_conserving": "idles",
    "honours_weights": "ignores_weights",
    "honours_caps": "ignores_caps",
    "honours_preferences": "ignores_preferences",
    "changes_values": "fixes_values",
}

# The tables of a class, and how many rows each may have.
_TABLES = {
    "parameters": "plugin.max_parameters",
    "domain_parameters": "plugin.max_domain_parameters",
}

Host = _core.Host

_registered: dict[str, dict[str, type[PythonPolicy]]] = {kind: {} for kind in KIND_TEXT}


class PythonPolicy:
    """Base of the bases `Scheduler`, `MemoryPolicy` and `RingPolicy`, from which policies are derived."""

    kind: ClassVar[str]
    required: ClassVar[tuple[str, ...]]  # hooks that have no default
    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    domain_parameters: ClassVar[tuple[Parameter, ...]] = ()  # of each domain: `domain.values`
    work_conserving: ClassVar[bool] = True  # False: it may leave a resource idle while a domain waits for it
    honours_weights: ClassVar[bool] = True  # False: weights of domains change nothing
    honours_caps: ClassVar[bool] = True  # likewise caps
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
        for promise in _PROMISES:
            if not isinstance(kept := getattr(cls, promise, True), bool):
                raise SpecError(f"{KIND_TEXT[cls.kind]} {name}: {promise}={kept!r} is not True or False")
        for field, most in _TABLES.items():
            _check_table(f"{KIND_TEXT[cls.kind]} {name}", field, getattr(cls, field), constant(most))
        _registered[cls.kind][name] = cls

    @classmethod
    def traits(cls) -> int:
        """Bits of plugin::Trait."""
        bits = _core.enums["plugin.Trait"]
        return sum(bits[trait] for promise, trait in _PROMISES.items() if not getattr(cls, promise, True))

    def __init__(self, values: dict[str, int]) -> None:
        self.values = values

    def _start(self, host: Host, told: Any = None) -> None:
        self.host = host
        self._tell(told)
        self.start()

    def _tell(self, told: Any) -> None:
        """Hand over the start arguments of a kind beside the host."""

    def start(self) -> None:
        """`host` and `values` are there; nothing else is yet."""

    @classmethod
    def spec(cls, **values: int) -> Policy:
        """This policy for a `Machine`. SpecError for an unknown parameter or a value out of its range."""
        spec = Policy(f"{PYTHON}{cls.name}", values)
        python_policy(cls.kind, spec)
        return spec


def load(path: Path) -> type[PythonPolicy]:
    """The policy that a file of Python declares. SpecError if it declares none, or several, or cannot be loaded."""
    spec = importlib.util.spec_from_file_location(f"bulkhead_policy_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise SpecError(f"policy file {path} does not exist; write the path of a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module  # what inspect.getfile looks at
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise SpecError(f"policy file {path} cannot be loaded: {mistake(error)}") from error
    found = [
        policy
        for policy in vars(module).values()
        if isinstance(policy, type)
        and issubclass(policy, PythonPolicy)
        and policy.__module__ == module.__name__
    ]
    if len(found) != 1:
        names = ", ".join(policy.name for policy in found) or "none"
        raise SpecError(f"policy file {path} is to declare one policy; it declares {names}")
    return found[0]


class ChosenPython(NamedTuple):
    """A policy's class with what the rest of the package wants to know of a policy."""

    policy: type[PythonPolicy]
    table: PolicyTable
    values: dict[str, int]


def python_policy(kind: str, spec: Policy) -> ChosenPython:
    """The policy that a spec of `spec()` names. SpecError if it cannot be as written."""
    name, known, text = spec.name.removeprefix(PYTHON), _registered[kind], KIND_TEXT[kind]
    if name not in known:
        raise SpecError(f"unknown Python {text} '{name}'{suggest(name, known)}")
    policy = known[name]
    _check_hooks(f"{text} {name}", policy)
    doc = (policy.__doc__ or "").strip().partition("\n")[0]
    table = PolicyTable(
        kind,
        name,
        doc,
        "",
        "",
        "",
        policy.parameters,
        policy.domain_parameters,
        _file_of(policy),
        policy.traits(),
    )
    numbers = effective(table, table.parameters, spec.parameters, "parameter")
    return ChosenPython(policy, table, {row.name: n for row, n in zip(table.parameters, numbers)})


def _check_hooks(whose: str, policy: type[PythonPolicy]) -> None:
    """SpecError unless it has every hook that its kind has no default for, as the contract's concept asks of a C++ class."""
    base = next(one for one in policy.__mro__ if issubclass(one, PythonPolicy) and "kind" in one.__dict__)
    missing = [hook for hook in base.required if getattr(policy, hook) is getattr(base, hook)]
    if missing:
        raise SpecError(
            f"{whose}: class {policy.__name__} lacks {' and '.join(missing)}; write what the contract asks"
        )


def _check_table(whose: str, field: str, table: object, most: int) -> None:
    """SpecError unless it is a tuple of a few `Parameter`s with names of their own, whole numbers, and defaults in range."""
    if not isinstance(table, tuple) or not all(isinstance(row, Parameter) for row in table):
        raise SpecError(f"{whose}: {field}={table!r} is not a tuple of Parameter")
    if len(table) > most:
        raise SpecError(f"{whose}: {len(table)} {field} are too many; {most} are the most")
    names = [row.name for row in table]
    for row in table:
        if not isinstance(row.name, str) or not row.name.isidentifier() or names.count(row.name) > 1:
            raise SpecError(f"{whose}: parameter {row.name!r}: give each a name of its own, such as 'slice'")
        numbers = (row.least, row.initial, row.most)
        if not all(type(number) is int and abs(number) < 1 << 63 for number in numbers):
            raise SpecError(
                f"{whose}: parameter {row.name}: its least, default and most ({row.least!r}, {row.initial!r}, "
                f"{row.most!r}) are to be whole numbers of 64 bits"
            )
        if not row.least <= row.initial <= row.most:
            raise SpecError(
                f"{whose}: parameter {row.name}: its default {row.initial} is outside {row.least} to {row.most} {row.unit}"
            )


def _file_of(policy: type[PythonPolicy]) -> Path:
    """Where it is written; a notebook's cell has no file."""
    try:
        return Path(inspect.getfile(policy))
    except (OSError, TypeError):
        return Path("notebook")
