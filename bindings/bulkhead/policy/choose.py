"""From a `Policy`, or its text, to the table of the policy that it names, with every effective value."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bulkhead.base.errors import SpecError
from bulkhead.base.paths import plugin_dirs
from bulkhead.base.text import TIME_UNITS, parse_duration, split_pairs, suggest
from bulkhead.model.spec import Policy
from bulkhead.policy.python import python_policy
from bulkhead.policy.tables import KIND_TEXT, PYTHON, PolicyTable, built_policies, effective, read_policy


@dataclass(frozen=True)
class ChosenPolicy:
    """A policy with every effective value, in the order of its table."""

    policy: PolicyTable
    values: tuple[int, ...]


def is_file_name(name: str) -> bool:
    """Whether a policy is named by its file."""
    return "/" in name or name.endswith(".so")


def _find(kind: str, name: str) -> PolicyTable:
    if is_file_name(name):
        if not Path(name).is_file():
            raise SpecError(f"policy file {name} does not exist; write the path of a built plug-in")
        return read_policy(Path(name), kind)
    # A policy's file has its name; to look is quicker than to read all.
    usual = plugin_dirs()[kind] / f"{name}.so"
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


def choose(kind: str, spec: Policy) -> ChosenPolicy:
    """Find the policy and fill in its defaults. SpecError for an unknown name or parameter, or a value out of range."""
    if spec.name.startswith(PYTHON):
        chosen = python_policy(kind, spec)
        return ChosenPolicy(chosen.table, tuple(chosen.values.values()))
    policy = _find(kind, spec.name)
    return ChosenPolicy(policy, effective(policy, policy.parameters, spec.parameters, "parameter"))


def parse_policy(kind: str, text: str) -> Policy:
    """NAME or NAME:p=v,p=v. A value is a whole number in the parameter's unit, or for times also like "5ms"."""
    if text.startswith(PYTHON):
        raise SpecError(
            f"{text}: a policy in Python runs in the program that defines it (Machine.run); name a plug-in here"
        )
    name = text.partition(":")[0]
    return Policy(name, parse_values(_find(kind, name), text))


def parse_values(policy: PolicyTable, text: str) -> dict[str, int]:
    """The parameters of `NAME:p=v,p=v`, for the policy that NAME is."""
    name, colon, rest = text.partition(":")
    units = {parameter.name: parameter.unit for parameter in policy.parameters}
    values: dict[str, int] = {}
    for key, value in (split_pairs(rest, text, f"{name}:slice=5000") if colon else {}).items():
        if key not in units:
            raise SpecError(f"policy {name} has no parameter '{key}'{suggest(key, units)}")
        values[key] = _parse_value(f"policy {name}: {key}", value, units[key])
    return values


def _parse_value(what: str, text: str, unit: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        if unit not in TIME_UNITS:
            raise SpecError(f"{what}: '{text}' is not a whole number") from None
    nanoseconds = parse_duration(text, what)
    if nanoseconds % TIME_UNITS[unit]:
        raise SpecError(f"{what}: {text} is not a whole number of {unit}")
    return nanoseconds // TIME_UNITS[unit]
