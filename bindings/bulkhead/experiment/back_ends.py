"""What experiments of the agreement of two back ends have in common: their metrics, comparisons and figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from bulkhead.experiment.cases import CASE, Case, SeenCase
from bulkhead.experiment.declare import MedianComparison, Metric
from bulkhead.experiment.observe import Observed
from bulkhead.experiment.point import BACKEND, Point
from bulkhead.figures import Heat, Panel, Quantity
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.result import Result
from bulkhead.result.agreement import Kinds, Pair, table, worst

# Why a number may be further apart than is allowed: (policy, case, number) as patterns, and the reason.
Reasons = tuple[tuple[str, str, str, str], ...]


def observer(cases: Mapping[str, Case]) -> Callable[[Run, Point, str], Observed]:
    """Sees a run as its own experiment sees it."""

    def observe(run: Run, point: Point, label: str) -> Observed:
        case = cases[point.text(CASE)]
        return SeenCase(run, case, case.inner(point), label)

    return observe


def _numbers(kind: str, run: Observed) -> dict[str, float | None]:
    if not isinstance(run, SeenCase):
        raise TypeError("only cases have numbers by kind")
    return run.numbers[kind]


def metrics(kinds: Kinds) -> tuple[Metric, ...]:
    """All numbers of each kind."""
    return tuple(Metric(kind, "1", words.help, partial(_numbers, kind)) for kind, words in kinds.items())


def distances(kinds: Kinds) -> tuple[MedianComparison, ...]:
    """Of each kind, the largest distance of a case."""
    return tuple(
        MedianComparison(
            f"{kind}_distance",
            "1",
            f"largest distance of {words.help}, in units of {words.allowed_text}",
            {BACKEND: "qemu"},
            partial(worst, kind, kinds=kinds),
        )
        for kind, words in kinds.items()
    )


def known_reason(reasons: Reasons, policy: str, case: str, pair: Pair) -> str | None:
    """The reason for an outlier, if it is known."""
    for one_policy, one_case, number, why in reasons:
        if (
            re.fullmatch(one_policy, policy)
            and re.fullmatch(one_case, case)
            and re.fullmatch(number, pair.name)
        ):
            return why
    return None


def heat(
    kind: str,
    kinds: Kinds,
    name: str,
    columns: tuple[str, str],
    machines: str,
    where: Mapping[str, int | str],
) -> Heat:
    """The distances of one kind of numbers; `columns` are a factor and how the figure calls it."""
    words = kinds[kind]
    return Heat(
        name=name,
        caption=(
            f"Distance of the simulator's {words.help} from those measured on the hypervisor, on {machines}, under the same "
            f"policy files. Unit: {words.allowed_text}. Each cell is the largest distance of its case."
        ),
        rows=CASE,
        columns=columns[0],
        x_label=columns[1],
        panels=(
            Panel(
                path=f"{kind}_distance",
                quantity=Quantity(f"distance [{words.allowed_text}]"),
                title=f"{words.help}, {machines}",
                where={BACKEND: "sim", **where},
            ),
        ),
        wide=True,
    )


def deciding(kinds: Kinds) -> Sequence[str]:
    """Kinds of numbers by which points agree or not."""
    return [kind for kind, words in kinds.items() if words.decides]


@dataclass(frozen=True)
class UnderPolicies:
    """Cases under each policy of one kind, on the pCPUs that they have: what their experiment does with a point."""

    cases: Mapping[str, Case]
    policy: str  # the factor
    kinds: Kinds
    reasons: Reasons

    def machine(self, point: Point) -> Machine:
        """The machine of a case."""
        return self.cases[point.text(CASE)].machine(point)

    def excludes(self, point: Point) -> str | None:
        """What the case's own experiment leaves out."""
        case = self.cases[point.text(CASE)]
        return case.experiment.excludes(case.inner(point)) if case.experiment.excludes is not None else None

    def reason(self, levels: Mapping[str, int | str], pair: Pair) -> str | None:
        """The reason for an outlier, if it is known."""
        return known_reason(self.reasons, str(levels[self.policy]), str(levels[CASE]), pair)

    def document(self, result: Result) -> str:
        """The table of agreement."""
        return table(result, BACKEND, self.policy, self.reason, self.kinds)
