"""From one captured run to its numbers. The metrics are the experiment's; ledger and R_max are taken from every run."""

from __future__ import annotations

from typing import Any

from bulkhead import metrics
from bulkhead.base.errors import BulkheadError, mistake
from bulkhead.base.plain import to_plain
from bulkhead.base.schema import GOOD_ENDS
from bulkhead.experiment.archive import Captured
from bulkhead.experiment.declare import Experiment, Metric
from bulkhead.experiment.observe import Observed
from bulkhead.metrics.accounting import domain_skew, wall
from bulkhead.model.machine import Machine
from bulkhead.model.run import EXIT_TEXT, Run
from bulkhead.policy.choose import choose
from bulkhead.policy.control import host_share
from bulkhead.policy.tables import domain_values
from bulkhead.result import DomainRow, Ledger, PointResult, PolicyRow, Rmax

DOM0 = "dom0"  # what the ledger calls it


def normalise(experiment: Experiment, captured: Captured) -> PointResult:
    """All numbers of one run. BulkheadError if it did not end as it should or its trace is not whole."""
    run, point = captured.run, captured.point
    require_whole(run, captured.label)
    observed = experiment.observe(run, point, captured.label)
    window = observed.window
    return PointResult(
        levels=dict(point.levels),
        exit_status=run.exit_status,
        window_start_ns=window.start,
        window_end_ns=window.end,
        trace_sha256=run.trace_sha256,
        trace_records=len(run.trace),
        policies=[
            PolicyRow(
                kind=p.kind,
                name=p.name,
                parameters=dict(p.parameters),
                ejected=p.ejected,
                hook=p.hook,
                ejected_at=p.ejected_at,
                hook_calls=p.hook_calls,
                hook_ns=p.hook_ns,
                hook_max_ns=p.hook_max_ns,
            )
            for p in run.landmark.policies
        ],
        metrics={m.name: _computed(m, observed, captured) for m in experiment.metrics if m.when(point)},
        ledger=_ledger(observed),
        r_max=Rmax(**to_plain(run.landmark.r_max)),
        instruction_ns=run.machine.instruction_ns,
        parallel=run.machine.parallel or run.machine.pcpus == 1,
    )


def _computed(metric: Metric, observed: Observed, captured: Captured) -> Any:
    """A metric's value. BulkheadError, with the place, for a mistake in its declaration."""
    try:
        return to_plain(metric.compute(observed))
    except BulkheadError:
        raise
    except Exception as error:
        raise BulkheadError(f"{captured.label}: metric {metric.name}: {mistake(error)}") from error


def require_whole(run: Run, label: str) -> None:
    """BulkheadError if no number may be drawn from the run: it failed, or its trace is incomplete."""
    if run.exit_status not in GOOD_ENDS:
        why = run.lost_to or run.landmark.message or EXIT_TEXT.get(run.exit_status, "unknown end")
        raise BulkheadError(f"{label}: the run failed with status {run.exit_status}: {why}")
    if run.incomplete:
        lost = sum(run.landmark.trace_lost)
        raise BulkheadError(f"{label}: {lost} trace records did not fit; give the machine more trace_bytes")


def _domain_parameters(machine: Machine) -> dict[str, dict[str, int]]:
    """Domain parameters of the run's first scheduler for each domain, domain 0 among them, defaults included."""
    if machine.sched is None:
        return {}
    policy = choose("scheduler", machine.sched).policy
    names = [parameter.name for parameter in policy.domain_parameters]
    given = {guest.name: guest.sched for guest in machine.guests} | {DOM0: machine.dom0_sched}
    return {name: dict(zip(names, domain_values(policy, values))) for name, values in given.items()}


def _ledger(observed: Observed) -> Ledger:
    parameters = _domain_parameters(observed.run.machine)
    control = {DOM0: host_share(observed.run.machine)}
    pcpus, accounts = observed.run.landmark.pcpus, list(observed.run.landmark.ledger.values())
    shares = {row.name: row.share for row in metrics.ledger_table(pcpus, accounts)}
    idle_lost = metrics.idle_while_runnable(
        observed.idle, observed.running, observed.runnable, observed.trace.whole
    )
    return Ledger(
        wall_ns=wall(pcpus),
        guest_ns=sum(p.guest_ns for p in pcpus),
        hypervisor_ns=sum(p.hypervisor_ns for p in pcpus),
        idle_ns=sum(p.idle_ns for p in pcpus),
        unbilled_ns=sum(p.unbilled_ns for p in pcpus),
        unbilled_share=metrics.ledger_unbilled_share(pcpus),
        skew_ns=metrics.accounting_skew(pcpus),
        domain_skew_ns=domain_skew(pcpus, accounts),
        idle_while_runnable_ns=idle_lost,
        capacity_lost_share=metrics.capacity_lost(idle_lost, pcpus).share,
        domains=[
            DomainRow(
                name=a.name,
                weight=a.weight,
                guest_ns=a.guest_ns,
                hypervisor_ns=a.hypervisor_ns,
                waiting_ns=a.waiting_ns,
                blocked_ns=a.blocked_ns,
                share=shares[a.name],
                hypercalls=a.hypercalls,
                traps=a.traps,
                events_sent=a.events_sent,
                wakes=a.wakes,
                run_ins=a.run_ins,
                sched=parameters.get(a.name, {}),
                control_share=control.get(a.name, 0),
            )
            for a in accounts
        ],
    )
