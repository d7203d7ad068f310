"""A running machine in the hands of a Python program: run to an instant, look, change something, go on.

The machine's own clock stands still while the Python program runs. So the program's actions decide the run, and the time it takes
does not. The same program gives the same trace, bit for bit; the finished `Run`'s machine repeats it without the program.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from bulkhead.backend.check import check_entry
from bulkhead.backend.course import SET_PARAMETERS, Course
from bulkhead.backend.protocol import Answer, Session
from bulkhead.base.errors import BulkheadError, SpecError
from bulkhead.base.text import format_ns, parse_duration
from bulkhead.model.machine import Machine
from bulkhead.model.run import Run
from bulkhead.model.sample import Sample
from bulkhead.model.spec import Policy, TimelineEntry
from bulkhead.model.timeline import STOP, Done, absent_at_start
from bulkhead.policy.choose import choose, parse_policy
from bulkhead.policy.tables import built_policies, option_of

REASONS = {
    errno.ESRCH: "the guest is not there any more",
    errno.ENOMEM: "there is not enough memory",
    errno.EBUSY: "it is still in use",
    errno.EEXIST: "the guest is there already",
    errno.ERANGE: "a parameter is out of its range",
    errno.ENOENT: "the active policy has no such parameter",
    errno.ENODEV: "there is nothing that such a policy decides",
    errno.EOPNOTSUPP: "under the active policy a guest keeps the parameters that it came with",
    errno.ENOSPC: "too many different parameters of the guest have changed",
}


def _instant(when: int | str, what: str) -> int:
    ns = parse_duration(when, what) if isinstance(when, str) else when
    if not isinstance(ns, int) or isinstance(ns, bool):
        raise SpecError(f"{what}: {when!r}; write whole nanoseconds, or for example '30ms'")
    return ns


class Live:
    """A machine that runs while Python says what happens to it; made by `Machine.start`. A context manager.

    Times are nanoseconds of the machine's clock since its guests were built, or text as "250ms". The machine stands still
    between the calls. Actions go the way of the timeline's: domain 0 carries them out, when the scheduler lets it run, and
    the trace has a `timeline` record of each. Bad input raises `SpecError` and changes nothing.

    >>> with machine.start() as live:
    ...     live.run_until("200ms")
    ...     live.swap_scheduler("NAME:parameter=1")
    ...     live.set_weight("web", 512)
    ...     run = live.finish()
    """

    def __init__(self, machine: Machine, start: Callable[[Machine], Session]) -> None:
        planned = [entry for entry in machine.timeline if entry.action != STOP]
        planned.sort(key=lambda entry: entry.at)
        self._machine, self._planned = machine, planned
        self._absent = tuple(sorted(absent_at_start(machine)))
        self._policies = {(entry.kind, entry.policy.name) for entry in planned if entry.policy is not None}
        self._played: list[TimelineEntry] = []
        self._done: list[Done] = []
        self._run: Run | None = None
        self._closed = False
        first = self._stop(0, self._creates(planned))
        # What is still to come is told at the stops; the start must know which guests come later.
        self._session = start(replace(machine, timeline=(first, *planned)))
        self._played.append(first)
        try:
            self._follow()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def _creates(entries: Sequence[TimelineEntry]) -> bool:
        return any(entry.action == "create" for entry in entries)

    @staticmethod
    def _stop(at: int, creates: bool) -> TimelineEntry:
        return TimelineEntry(at, STOP, argument=int(creates))

    @property
    def now(self) -> int:
        """Where the machine is, ns since its guests were built. At its end: the instant of the last stop."""
        return self._session.stopped_at

    @property
    def over(self) -> bool:
        """Whether the run has ended: its time is over, all guests are off, or it was ended."""
        return not self._session.stopped

    @property
    def actions(self) -> tuple[Done, ...]:
        """The actions done by hand so far, in order."""
        return tuple(self._done)

    def sample(self) -> Sample:
        """A sample of the machine at this instant; all numbers are of this instant while it stands still."""
        found = self._session.sample()
        if found is None:
            raise BulkheadError("the machine has not begun")
        return found

    def run_until(self, when: int | str) -> Sample:
        """Go on until an instant, or until the run is over. Returns a sample of the machine then.

        The stop is as late as any entry of a timeline: domain 0 must get the pCPU first (`now` says when it was).
        """
        ns = _instant(when, "run_until")
        self._check_running()
        if ns < self.now:
            raise SpecError(f"run_until: {format_ns(ns)} is over; it is {format_ns(self.now)} now")
        if ns > self._machine.duration:
            raise SpecError(
                f"run_until: {format_ns(ns)} is after the end; the machine's duration is "
                f"{format_ns(self._machine.duration)}"
            )
        self._go_on(ns)
        return self.sample()

    def advance(self, by: int | str) -> Sample:
        """Go on for so long, or until the run is over."""
        ns = _instant(by, "advance")
        if ns < 0:
            raise SpecError(f"advance: {ns} ns is back in time")
        return self.run_until(self.now + ns)

    def samples(self, every: int | str, until: int | str | None = None) -> Iterator[Sample]:
        """Go on and look, each `every` ns, until an instant or the run's end."""
        step = _instant(every, "samples")
        if step <= 0:
            raise SpecError(f"samples: every {step} ns; write more than 0")
        end = self._machine.duration if until is None else _instant(until, "samples")
        while not self.over and self.now + step <= end:
            yield self.advance(step)

    def act(
        self,
        action: str,
        guest: str | None = None,
        argument: int = 0,
        policy: Policy | str | None = None,
        kind: str = "scheduler",
        parameters: dict[str, int] | None = None,
    ) -> Done:
        """Carry out any action of a timeline now; `kind` is the policy's: scheduler, memory, ring.

        SpecError for bad input, BulkheadError if it could not be done.
        """
        self._check_running()
        option_of(kind, action)
        if isinstance(policy, str):
            policy = parse_policy(kind, policy)
        entry = TimelineEntry(self.now, action, guest, argument, policy, kind, parameters)
        self._check(entry)
        ordered_at = self.now
        answer = self._go_on(ordered_at, entry)
        done_at = answer.done_at if answer else None
        done = Done(action, guest, argument, policy, ordered_at, done_at, kind, parameters)
        self._done.append(done)
        if answer is not None and answer.result != 0:
            why = REASONS.get(-answer.result, f"error {-answer.result}")
            raise BulkheadError(f"{action}{f' {guest}' if guest else ''} at {format_ns(ordered_at)}: {why}")
        return done

    def swap_scheduler(self, policy: Policy | str) -> Done:
        """Let another scheduler take over all guests as they run: "NAME[:p=v,...]" or a `Policy`. Weights stay."""
        return self.act("swap", policy=policy)

    def swap_memory_policy(self, policy: Policy | str) -> Done:
        """Let another memory policy take over, as `swap_scheduler`. Frames and weights stay."""
        return self.act("swap", policy=policy, kind="memory")

    def swap_ring_policy(self, policy: Policy | str) -> Done:
        """Let another ring policy take over, as `swap_scheduler`; simulator only. Queued requests and weights stay."""
        return self.act("swap", policy=policy, kind="ring")

    def set_weight(self, guest: str, weight: int) -> Done:
        """Give a guest another weight, 1 to 65535."""
        return self.act("set_weight", guest, weight)

    def set_parameters(self, guest: str, kind: str, **parameters: int) -> Done:
        """Give a guest other parameters, all at once, of those that the policy of a kind has for each domain.

        The others stay, and a policy that takes over later finds those that it knows. SpecError also for more reservations
        than there is room for; the former values stay then.

        >>> live.set_parameters("web", "ring", reservation=300, limit=500)
        """
        return self.act("set_parameters", guest, kind=kind, parameters=parameters)

    def set_affinity(self, guest: str, pcpus: int) -> Done:
        """Let a guest's vCPUs run on these pCPUs only; a mask, bit n for pCPU n."""
        return self.act("set_affinity", guest, pcpus)

    def pause(self, guest: str) -> Done:
        """Take a guest off its pCPUs until it is unpaused."""
        return self.act("pause", guest)

    def unpause(self, guest: str) -> Done:
        """Let a paused guest run."""
        return self.act("unpause", guest)

    def create(self, guest: str) -> Done:
        """Build a guest of the machine that is not there (any more), and let it run unless it is to start paused."""
        return self.act("create", guest)

    def destroy(self, guest: str) -> Done:
        """Take a guest off the machine, at once and for good."""
        return self.act("destroy", guest)

    def finish(self) -> Run:
        """Let the machine go on to its own end, with what its timeline still has. The finished run.

        Its machine's timeline has all that was done by hand, and the stops: `run.machine.run()` repeats it bit for bit.
        """
        if self._run is None:
            self._check_open()
            if not self.over:
                self._proceed(self._planned)
                self._planned = []
                self._follow()
            run = self._session.collect()
            self._run = replace(
                run, machine=replace(self._machine, timeline=tuple(self._played), absent=self._absent)
            )
            self.close()
        return self._run

    def end(self) -> Run:
        """End the machine now. The finished run; what the timeline still had does not happen."""
        self._check_open()
        if not self.over:
            self._planned = []
            self.act("end_run")
        return self.finish()

    def close(self) -> None:
        """Let go of the machine, whatever its state."""
        if not self._closed:
            self._closed = True
            self._session.__exit__(None, None, None)

    def __enter__(self) -> Live:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check(self, entry: TimelineEntry) -> None:
        if entry.action == STOP:
            raise SpecError("stop: the machine stands still already; name another action")
        check_entry(self._machine, entry)
        if entry.action == SET_PARAMETERS:
            self._check_change(entry)
        if entry.policy is not None:
            self._check_policy(entry.kind, entry.policy)
        if entry.action == "create" and self._lives(str(entry.guest)):
            raise SpecError(f"create {entry.guest}: {REASONS[errno.EEXIST]}")

    def _check_change(self, entry: TimelineEntry) -> None:
        course = Course(self._machine)
        for before in (*self._played, *(planned for planned in self._planned if planned.at <= entry.at)):
            course.follow(before)
        course.check(entry)

    def _check_policy(self, kind: str, policy: Policy) -> None:
        choose(kind, policy)
        first: Policy | None = getattr(self._machine, option_of(kind, "swap"))
        known = {name for one, name in self._policies if one == kind} | set(built_policies(kind))
        if policy.name not in known and (first is None or policy.name != first.name):
            raise SpecError(
                f"swap: {policy.name} did not come with the machine, which has the policies that are built and those on "
                "its timeline; put a swap to it there"
            )

    def _lives(self, guest: str) -> bool:
        return any(
            name.partition("#")[0] == guest and row.state == "alive"
            for name, row in self.sample().domains.items()
        )

    def _check_open(self) -> None:
        if self._closed and self._run is None:
            raise BulkheadError("this machine was closed before it was finished; start another")

    def _check_running(self) -> None:
        self._check_open()
        if self._run is not None or self.over:
            raise BulkheadError("the run is over; finish() gives what is left of it")

    def _go_on(self, until: int, entry: TimelineEntry | None = None) -> Answer | None:
        """To the next stop, with what is planned before it and one order; what came of the order."""
        due = [planned for planned in self._planned if planned.at <= until]
        later = self._planned[len(due) :]
        orders = [*due, *([entry] if entry is not None else [])]
        self._proceed([*orders, self._stop(until, self._creates(later))])
        self._planned = later
        self._follow()
        answers = self._session.answers() if self._session.stopped else []
        return answers[len(due)] if entry is not None and len(answers) > len(due) else None

    def _proceed(self, batch: Sequence[TimelineEntry]) -> None:
        self._session.proceed(batch)
        self._played += batch

    def _follow(self) -> None:
        while self._session.follow() and not self._session.stopped:
            pass
