"""The back end `sim`: carries a `Machine` out in the simulator, under the policy file that the hypervisor loads."""

from bulkhead.sim.backend import Simulated, simulate
from bulkhead.sim.costs import Costs

__all__ = ["Costs", "Simulated", "simulate"]
