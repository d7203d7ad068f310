"""The tables of policies: what a built plug-in says of itself, read from its descriptor without running it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead import _core
from bulkhead.base.errors import SpecError
from bulkhead.base.paths import KIND_FOLDER, plugin_dirs
from bulkhead.base.schema import enum_value
from bulkhead.base.text import suggest

UNREADABLE = "is not a usable policy: the file cannot be read; check its path and permissions"
PYTHON = "python:"  # a policy written in Python, for the simulator
KIND_TEXT = {"scheduler": "scheduler", "memory": "memory policy", "ring": "ring policy"}
KIND_OPTION = KIND_FOLDER  # an option of boot, of a guest or of a Machine is called as the folder


def option_of(kind: str, what: str) -> str:
    """The option of a kind: sched, memctl, ringctl. SpecError for an unknown kind of policy."""
    if kind not in KIND_OPTION:
        raise SpecError(f"{what}: unknown kind of policy '{kind}'{suggest(kind, KIND_OPTION)}")
    return KIND_OPTION[kind]


@dataclass(frozen=True)
class Parameter:
    """One row of a policy's own table; `unit` is "1" for a plain number."""

    name: str
    unit: str
    help: str
    initial: int
    least: int
    most: int


@dataclass(frozen=True)
class PolicyTable:
    """A policy's description of itself."""

    kind: str  # scheduler, memory, ring
    name: str
    summary: str
    good_at: str
    bad_at: str
    source: str
    parameters: tuple[Parameter, ...]
    domain_parameters: tuple[Parameter, ...]  # what each domain may be given
    path: Path
    traits: int = 0  # bits of plugin::Trait

    def has(self, trait: str) -> bool:
        """Whether the policy has a trait, by plugin::Trait's name."""
        return bool(self.traits & enum_value("plugin.Trait", trait, "trait"))


def read_policy(path: Path, kind: str | None = None) -> PolicyTable:
    """Read a policy's file without running it. SpecError if hosts would refuse it, also as not being of `kind`."""
    if not path.is_file():
        raise SpecError(f"{path} {UNREADABLE}")
    status = path.stat()
    return _read_policy(path, kind, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read_policy(path: Path, kind: str | None, modified: int, size: int) -> PolicyTable:
    """Read again only if the file has changed."""
    try:
        row = _core.read_plugin(str(path), 0 if kind is None else kind_number(kind))
    except RuntimeError:
        raise SpecError(f"{path} {UNREADABLE}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not a usable policy: {error}") from None
    kinds = {number: name for name, number in _core.enums["plugin.Kind"].items()}
    return PolicyTable(
        kind=kinds[row["kind"]],
        name=row["name"],
        summary=row["summary"],
        good_at=row["good_at"],
        bad_at=row["bad_at"],
        source=row["source"],
        parameters=tuple(Parameter(**parameter) for parameter in row["parameters"]),
        domain_parameters=tuple(Parameter(**parameter) for parameter in row["domain_parameters"]),
        path=path,
        traits=row["traits"],
    )


def built_policies(kind: str) -> dict[str, PolicyTable]:
    """Every built plug-in of a kind, by name."""
    folder = plugin_dirs()[kind]
    policies = (read_policy(path) for path in sorted(folder.glob("*.so")))
    return {policy.name: policy for policy in policies if policy.kind == kind}


def domain_values(
    policy: PolicyTable | None, given: Mapping[str, int], kind: str = "scheduler"
) -> tuple[int, ...]:
    """Effective values of a domain's own parameters, in the order of the table. SpecError as `choose`."""
    if policy is None:
        if given:
            raise SpecError(
                f"'{min(given)}' needs a {KIND_TEXT[kind]}; the built-in fallback knows no parameters of domains"
            )
        return ()
    return effective(policy, policy.domain_parameters, given, "parameter of domains")


def effective(
    policy: PolicyTable, table: Sequence[Parameter], given: Mapping[str, int], what: str
) -> tuple[int, ...]:
    """The value of each row of a table, in its order, as given or by default. SpecError as `choose`."""
    known = {parameter.name: parameter for parameter in table}
    for name, value in given.items():
        if name not in known:
            raise SpecError(f"policy {policy.name} has no {what} '{name}'{suggest(name, known)}")
        _check_range(policy, known[name], value)
    return tuple(given.get(parameter.name, parameter.initial) for parameter in table)


def _check_range(policy: PolicyTable, parameter: Parameter, value: int) -> None:
    what = f"policy {policy.name}: {parameter.name}={value!r}"
    bounds = f"{parameter.least} to {parameter.most}{'' if parameter.unit == '1' else f' {parameter.unit}'}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{what} is not a whole number, {bounds}")
    if not parameter.least <= value <= parameter.most:
        raise SpecError(f"{what} is outside {bounds}")


def kind_number(kind: str) -> int:
    """plugin::Kind of a kind's name."""
    return enum_value("plugin.Kind", kind, "kind of policy")
