"""The back end `sim`: carries a `Machine` out in the simulator, under the policy file that the hypervisor loads."""

from bulkhead.backend.sim.backend import Simulator, simulate
from bulkhead.backend.sim.costs import Costs
from bulkhead.backend.sim.simulated import Simulated

__all__ = ["Costs", "Simulated", "Simulator", "simulate"]
