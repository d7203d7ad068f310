"""The back end `sim` as the registry sees it."""

from __future__ import annotations

from bulkhead.backend.protocol import carry_out
from bulkhead.backend.sim.costs import Costs
from bulkhead.backend.sim.models import cannot_simulate
from bulkhead.backend.sim.simulated import Simulated
from bulkhead.model.machine import Machine
from bulkhead.model.options import RunOptions
from bulkhead.model.run import Run


class Simulator:
    """Simulates the hypervisor; deterministic. `costs` are those of its own work; None: the calibrated ones."""

    name = "sim"

    def __init__(self, costs: Costs | None = None) -> None:
        self._costs = costs

    def cannot_carry_out(self, machine: Machine) -> str | None:
        """It has models of guests and runs no kernel."""
        return cannot_simulate(machine)

    def begin(self, machine: Machine, options: RunOptions, held: bool = False) -> Simulated:
        """A machine in the simulator. `BulkheadError` for bad input."""
        return Simulated(machine, options, held, self._costs)

    def run(self, machine: Machine, options: RunOptions) -> Run:
        """Simulate to the end, collect."""
        with self.begin(machine, options) as simulated:
            return carry_out(simulated, options)


def simulate(machine: Machine, options: RunOptions | None = None, costs: Costs | None = None) -> Run:
    """Run the machine in the simulator, with these costs of the hypervisor's work or the calibrated ones."""
    return Simulator(costs).run(machine, options or RunOptions())
