"""The policy plug-ins that are built, read from their own descriptors, and the check of a `PolicySpec` against them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bulkhead import _core
from bulkhead.paths import plugin_dirs
from bulkhead.schema import enum_value
from bulkhead.spec import PolicySpec, SpecError
from bulkhead.text import TIME_UNITS, parse_duration, split_pairs, suggest

UNREADABLE = "is not a usable policy: the file cannot be read; check its path and permissions"
PYTHON = "python:"  # a policy written in Python, for the simulator
KIND_TEXT = {"scheduler": "scheduler", "memory": "memory policy", "ring": "ring policy"}
KIND_OPTION = {
    "scheduler": "sched",
    "memory": "memctl",
    "ring": "ringctl",
}  # of boot, of a guest, of a Machine


def option_of(kind: str, what: str) -> str:
    """The option of a kind: sched, memctl, ringctl. SpecError if there is no such kind of policy."""
    if kind not in KIND_OPTION:
        raise SpecError(f"{what}: there is no kind of policy '{kind}'{suggest(kind, KIND_OPTION)}")
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
class Policy:
    """What a plug-in says about itself."""

    kind: str  # scheduler, memory, ring
    name: str
    summary: str
    good_at: str
    bad_at: str
    source: str
    parameters: tuple[Parameter, ...]
    domain_parameters: tuple[Parameter, ...]  # what each domain may be given
    path: Path


@dataclass(frozen=True)
class ChosenPolicy:
    """A policy with every effective value, in the order of its table."""

    policy: Policy
    values: tuple[int, ...]


def read_policy(path: Path, kind: str | None = None) -> Policy:
    """Read a policy's file without running it. SpecError if hosts would refuse it, also as not being of `kind`."""
    if not path.is_file():
        raise SpecError(f"{path} {UNREADABLE}")
    status = path.stat()
    return _read_policy(path, kind, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read_policy(path: Path, kind: str | None, modified: int, size: int) -> Policy:
    """Read again only if the file has changed."""
    try:
        row = _core.read_plugin(str(path), 0 if kind is None else kind_number(kind))
    except RuntimeError:
        raise SpecError(f"{path} {UNREADABLE}") from None
    except ValueError as error:
        raise SpecError(f"{path} is not a usable policy: {error}") from None
    kinds = {number: name for name, number in _core.enums["plugin.Kind"].items()}
    return Policy(
        kind=kinds[row["kind"]],
        name=row["name"],
        summary=row["summary"],
        good_at=row["good_at"],
        bad_at=row["bad_at"],
        source=row["source"],
        parameters=tuple(Parameter(**parameter) for parameter in row["parameters"]),
        domain_parameters=tuple(Parameter(**parameter) for parameter in row["domain_parameters"]),
        path=path,
    )


def built_policies(kind: str) -> dict[str, Policy]:
    """Every built plug-in of a kind, by name."""
    folder = plugin_dirs()[kind]
    policies = (read_policy(path) for path in sorted(folder.glob("*.so")))
    return {policy.name: policy for policy in policies if policy.kind == kind}


def _find(kind: str, name: str) -> Policy:
    if "/" in name or name.endswith(".so"):
        if not Path(name).is_file():
            raise SpecError(f"there is no policy file {name}")
        return read_policy(Path(name), kind)
    usual = (
        plugin_dirs()[kind] / f"{name}.so"
    )  # a policy's file has its name; to look is quicker than to read all
    if usual.is_file() and (policy := read_policy(usual)).name == name and policy.kind == kind:
        return policy
    policies = built_policies(kind)
    if name not in policies:
        for other in KIND_TEXT:
            if name in built_policies(other):
                raise SpecError(
                    f"'{name}' is a {KIND_TEXT[other]}, not a {KIND_TEXT[kind]}{suggest(name, policies)}"
                )
        raise SpecError(f"unknown {KIND_TEXT[kind]} '{name}'{suggest(name, policies)}")
    return policies[name]


def choose(kind: str, spec: PolicySpec) -> ChosenPolicy:
    """Find the policy and fill in its defaults. SpecError for an unknown name or parameter, or a value out of range."""
    if spec.name.startswith(PYTHON):
        return _python(kind, spec)
    policy = _find(kind, spec.name)
    return ChosenPolicy(policy, effective(policy, policy.parameters, spec.parameters, "parameter"))


def domain_values(
    policy: Policy | None, given: Mapping[str, int], kind: str = "scheduler"
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
    policy: Policy, table: Sequence[Parameter], given: Mapping[str, int], what: str
) -> tuple[int, ...]:
    """The value of each row of a table, in its order, as given or by default. SpecError as `choose`."""
    known = {parameter.name: parameter for parameter in table}
    for name, value in given.items():
        if name not in known:
            raise SpecError(f"policy {policy.name} has no {what} '{name}'{suggest(name, known)}")
        _check_range(policy, known[name], value)
    return tuple(given.get(parameter.name, parameter.initial) for parameter in table)


def _python(kind: str, spec: PolicySpec) -> ChosenPolicy:
    from bulkhead.written import python_policy

    _, policy, values = python_policy(kind, spec)
    return ChosenPolicy(policy, tuple(values.values()))


def _check_range(policy: Policy, parameter: Parameter, value: int) -> None:
    what = f"policy {policy.name}: {parameter.name}={value!r}"
    bounds = f"{parameter.least} to {parameter.most}{'' if parameter.unit == '1' else f' {parameter.unit}'}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise SpecError(f"{what} is not a whole number, {bounds}")
    if not parameter.least <= value <= parameter.most:
        raise SpecError(f"{what} is outside {bounds}")


def parse_policy(kind: str, text: str) -> PolicySpec:
    """NAME or NAME:p=v,p=v. A value is a whole number in the parameter's unit, or for times also like "5ms"."""
    if text.startswith(PYTHON):
        raise SpecError(
            f"{text}: a policy in Python runs in the program that defines it (Machine.run); name a plug-in here"
        )
    name, colon, rest = text.partition(":")
    policy = _find(kind, name)
    units = {parameter.name: parameter.unit for parameter in policy.parameters}
    values: dict[str, int] = {}
    for key, value in (split_pairs(rest, text, f"{name}:slice=5000") if colon else {}).items():
        if key not in units:
            raise SpecError(f"policy {name} has no parameter '{key}'{suggest(key, units)}")
        values[key] = _parse_value(f"policy {name}: {key}", value, units[key])
    return PolicySpec(name, values)


def _parse_value(what: str, text: str, unit: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        if unit not in TIME_UNITS:
            raise SpecError(f"{what}: '{text}' is no whole number") from None
    nanoseconds = parse_duration(text, what)
    if nanoseconds % TIME_UNITS[unit]:
        raise SpecError(f"{what}: {text} is no whole number of {unit}")
    return nanoseconds // TIME_UNITS[unit]


def kind_number(kind: str) -> int:
    """plugin::Kind of a kind's name."""
    return enum_value("plugin.Kind", kind, "kind of policy")
