"""`bulkhead bench simulator`: how fast the simulator is, for each scheduler and against the same model written with SimPy."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path
from typing import Any

from bulkhead import _core
from bulkhead.backend.sim.costs import Costs
from bulkhead.base.errors import BulkheadError
from bulkhead.base.paths import ROOT
from bulkhead.cli import bench_suites
from bulkhead.model.spec import Policy
from bulkhead.policy.choose import choose
from bulkhead.result import write_json

WORK_NS, SLEEP_NS, SLICE_NS, VCPUS = 100_000, 700_000, 10_000_000, 8
SUITE = bench_suites.SUITES["simulator"]
SIMPY_NS = 2_000_000_000  # simulated by SimPy
OURS_NS = 200_000_000_000  # and by the simulator, whose rate is then well above the clock's grain
SAME = 0.02  # how far the two may be apart in decisions per simulated second


def _simpy_model() -> Any:
    path = ROOT / "tests" / "bench" / "simpy_model.py"
    spec = importlib.util.spec_from_file_location("simpy_model", path)
    if spec is None or spec.loader is None:
        raise BulkheadError(f"bench: {path} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _costs() -> dict[str, int]:
    """The calibrated costs that the SimPy model has, in instructions."""
    wanted = ("fire", "idle_exit", "pick", "load", "leave", "wait", "timer", "stop", "interrupt")
    known = Costs.read(None).instructions
    return {name: known[name] for name in wanted}


def simpy_rate(costs: dict[str, int], nanoseconds: int = SIMPY_NS) -> tuple[float, float]:
    """Decisions per second of CPU time, and per simulated second."""
    simpy_model = _simpy_model()
    model = simpy_model.Model([simpy_model.Vcpu(WORK_NS, SLEEP_NS) for _ in range(VCPUS)], SLICE_NS, costs)
    start = time.process_time()
    model.env.run(until=nanoseconds)
    return model.decisions / (time.process_time() - start), model.decisions / (nanoseconds * 1e-9)


def our_rate(costs: dict[str, int], nanoseconds: int = OURS_NS) -> tuple[float, float]:
    """The same of the simulator, under the policy that the SimPy model has, without a trace as SimPy has none."""
    steps = f"{WORK_NS}:{SLEEP_NS}"
    guests = [
        _core.SimGuest(
            name=f"g{i}",
            model="replay",
            options={"steps": steps},
            weight=256,
            cap=0,
            vcpus=1,
            start_paused=False,
            sched_values=[],
        )
        for i in range(VCPUS)
    ]
    settings = _core.SimSettings(
        pcpus=1,
        seed=1,
        trace_groups=0,
        trace_records=0,
        instruction_ns=1,
        duration_ns=nanoseconds,
        dom0_weight=256,
        dom0_share=0,
        dom0_sched_values=[],
        end_when_idle=False,
        costs=costs,
    )
    policy = choose("scheduler", Policy(_simpy_model().POLICY, {"slice": SLICE_NS // 1000}))
    simulation = _core.Simulation(
        str(policy.policy.path), policy.policy.name, list(policy.values), settings, guests, [], []
    )
    start = time.process_time()
    while simulation.run(10_000_000):
        pass
    return simulation.decisions / (time.process_time() - start), simulation.decisions / (nanoseconds * 1e-9)


def compare() -> dict[str, float]:
    """Both rates from this run. BulkheadError if the two did not simulate the same thing."""
    costs = _costs()
    (simpy, simpy_density), (ours, density) = simpy_rate(costs), our_rate(costs)
    if abs(density - simpy_density) > SAME * density:
        raise BulkheadError(
            f"bench: the models differ: {density:.0f} and {simpy_density:.0f} decisions per second"
        )
    return {"simpy": simpy, "simulator": ours, "ratio": ours / simpy}


def bench_simulator(out: Path | None, minimum_seconds: float = 0.1) -> None:
    """Print the tables; write their numbers to `out`."""
    found = compare()
    print("| | decisions per second of CPU time |\n| --- | ---: |")
    for name in ("simulator", "simpy"):
        print(f"| {name}, {VCPUS} vCPUs that sleep and wake | {found[name]:,.0f} |")
    print(f"| ratio | {found['ratio']:.0f} |\n")
    rows = bench_suites.rows(SUITE, minimum_seconds)
    bench_suites.print_rows(SUITE, rows)
    print("\n| scheduler / vCPUs | resident MiB, the whole process |\n| --- | ---: |")
    for row in rows:
        if "resident MiB" in row:
            print(f"| {row['name'].partition('/')[2].partition('/iter')[0]} | {row['resident MiB']:,.0f} |")
    if out is not None:
        write_json(out, {"simpy": found, "benchmarks": rows})
