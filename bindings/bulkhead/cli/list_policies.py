"""`bulkhead list policies`, which starts fast: it needs neither typer nor a back end. Reads the plug-ins themselves."""

from __future__ import annotations

import sys

from bulkhead.policy.tables import KIND_OPTION, KIND_TEXT, PolicyTable, built_policies

BOLD, PLAIN = "\033[1m", "\033[0m"


def bold(text: str) -> str:
    """A name, in bold where there is a terminal."""
    return f"{BOLD}{text}{PLAIN}" if sys.stdout.isatty() else text


def _parameters(policy: PolicyTable) -> None:
    own = f"of a guest: {KIND_OPTION[policy.kind]}."
    for prefix, table in (("", policy.parameters), (own, policy.domain_parameters)):
        for row in table:
            unit = "" if row.unit == "1" else f" {row.unit}"
            print(
                f"     {prefix}{row.name}={row.initial}{unit} ({row.least} to {row.most}): {row.help}",
            )


def _honours(policy: PolicyTable) -> None:
    """Which settings of a guest a scheduler honours; the hosts see to affinities."""
    settings = [
        what
        for what, trait in (("weight", "ignores_weights"), ("cap", "ignores_caps"))
        if not policy.has(trait)
    ]
    print(f"     honours: {', '.join([*settings, 'affinity'])}")


def list_policies() -> int:
    """Print every built policy. The status is 0, as of a command."""
    for kind, text in KIND_TEXT.items():
        for policy in built_policies(kind).values():
            print(f"{bold(policy.name)} ({text}): {policy.summary}")
            print(f"     good at: {policy.good_at}")
            print(f"     bad at:  {policy.bad_at}")
            print(f"     source:  {policy.source}")
            if kind == "scheduler":
                _honours(policy)
            _parameters(policy)
    return 0
