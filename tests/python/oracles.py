"""Schedulers written a second time, in Python, from what their files say: oracles for the compiled ones."""

from __future__ import annotations

from bulkhead.policy.scheduler import Domain, Pcpu, Scheduler, Stop, Vcpu
from bulkhead.policy.tables import Parameter

US = 1_000
LEAST_SLICE = 50 * US
GRACE = LEAST_SLICE
PATIENCE = 1_000_000 * US
MOST_AHEAD = 10_000 * US  # of an owner that keeps its pCPU
SCALE = 65_536  # of times over a weight, so that rounding never matters


class RoundRobin(Scheduler):
    """One queue, fixed slices, everybody in turn."""

    name = "round_robin"
    honours_weights = False
    honours_caps = False
    parameters = (Parameter("slice", "us", "how long a vCPU runs", 10_000, 100, 100_000),)

    def start(self) -> None:
        self.queue: list[Vcpu] = []

    def wake(self, vcpu: Vcpu, now: int) -> None:
        self.queue.append(vcpu)

    def deschedule(self, vcpu: Vcpu, why: int, ran: int, now: int) -> None:
        if vcpu in self.queue:
            self.queue.remove(vcpu)
        elif Stop(why).still_runnable:
            self.queue.append(vcpu)

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        for vcpu in self.queue:
            if vcpu.may_run_on(pcpu.id):
                self.queue.remove(vcpu)
                return vcpu, self.values["slice"] * US
        return None


def quotient(a: int, b: int) -> int:
    """Division as the compiled one does it: towards zero."""
    return -(-a // b) if (a < 0) != (b < 0) else a // b


def scaled(time: int, weight: int) -> int:
    """CPU time for a weight as time for weight 1."""
    return quotient(time * SCALE, weight)


class Credit(Scheduler):
    """Rounds of credit by weight, paid back to the nanosecond, and a boost on wake as often as the rate limit says.

    Times over a weight are times for weight 1, in parts of 1/65,536 ns. The clock is what the rounds have given to each
    domain that takes part, over its weight. A domain's position is what its vCPUs have run, over its weight. So its
    credit is how far it is behind the clock, times its weight.
    """

    name = "credit"
    parameters = (
        Parameter("round", "us", "CPU time that a round shares out", 10_000, 1_000, 100_000),
        Parameter("rate_limit", "us", "a domain preempts at most once per this time", 1_000, 100, 20_000),
        Parameter("burst", "1", "preemptions that a domain may save up", 8, 1, 64),
    )

    def start(self) -> None:
        self.round, self.limit = self.values["round"] * US, self.values["rate_limit"] * US
        self.clock = self.rounds = self.given = 0
        self.domains: list[Domain] = []  # the attached ones
        self.pcpus: dict[int, Pcpu] = {}
        self.woken: list[Vcpu] = []  # woke with credit: next in turn, boosted ones first
        self.ready: list[Domain] = []  # some vCPU waits in its `turn`; the one that came last is the last
        self.parked: list[Domain] = []  # the same, but held back by its cap

    def attach(self, vcpu: Vcpu) -> None:
        domain = vcpu.domain
        if not hasattr(domain, "position"):
            domain.position = domain.runnable = domain.rests_since = domain.boosted_to = 0
            domain.allowance = domain.period = domain.parked_in = domain.served = domain.free_since = 0
            domain.active = False
            domain.turn, domain.waiting = [], []  # queued vCPUs: by turn those not in `woken`, by age all
        if domain not in self.domains:
            self.domains.append(domain)
        domain.counted = domain.weight
        vcpu.on, vcpu.queued_at, vcpu.boosted = None, 0, False

    def detach(self, vcpu: Vcpu) -> None:
        if vcpu.domain.vcpus == 1:
            vcpu.domain.active = False
            self.domains.remove(vcpu.domain)

    def wake(self, vcpu: Vcpu, now: int) -> None:
        domain = vcpu.domain
        domain.runnable += 1
        if domain.runnable == 1:
            self.take_part(domain)
        self.begin_to_wait(vcpu, now)
        if (
            not self.has_credit(domain)
            or not self.within_cap(domain, now)
            or len(self.wakers(domain)) >= self.host.pcpus
        ):
            self.queue(vcpu)
            return
        victim = self.weakest_for(vcpu, now)
        if victim is None:
            self.woken.append(vcpu)
            return
        outranks = self.standing(domain) >= self.standing_on(victim, now)
        if not outranks or self.must_leave_to(victim.running.domain, domain):
            self.queue(vcpu)
            return
        self.woken.append(vcpu)
        vcpu.boosted = self.pay_boost(domain, now)
        if not victim.claimed and (vcpu.boosted or victim.until > victim.began + self.limit):
            victim.claimed = True
            self.host.kick(victim.id)

    def deschedule(self, vcpu: Vcpu, why: int, ran: int, now: int) -> None:
        domain = vcpu.domain
        if vcpu in domain.waiting:
            self.leave_queue(vcpu)
        else:
            vcpu.on.running = None
            ran, vcpu.on.billed = ran - vcpu.on.billed, 0
        self.bill(domain, ran, now)
        if Stop(why).still_runnable:
            self.requeue(vcpu, Stop(why), now)
            return
        vcpu.on = None
        domain.runnable -= 1
        domain.rests_since = self.rounds

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        if pcpu.id not in self.pcpus:
            self.pcpus[pcpu.id] = pcpu
            pcpu.running = pcpu.held = pcpu.cut = None
            pcpu.began = pcpu.since = pcpu.until = pcpu.billed = 0
        pcpu.claimed = False
        vcpu = self.overdue_for(pcpu, now)
        if vcpu is not None:
            return self.run(vcpu, pcpu, LEAST_SLICE, now)
        vcpu = self.next_waker(pcpu, now)
        if vcpu is not None:
            return self.run(vcpu, pcpu, self.slice_of(vcpu.domain), now)
        self.settle_running(pcpu, now)
        self.release(pcpu, now)
        able = [domain for domain in self.ready if any(vcpu.may_run_on(pcpu.id) for vcpu in domain.turn)]
        if able:
            domain = min(able, key=lambda domain: int(domain.position))
            if self.credit(domain) <= min(self.limit, self.round) // 32:
                self.start_round(domain)
            last = pcpu.cut.domain if pcpu.cut is not None else domain
            if last not in self.parked and self.must_leave_to(last, domain):
                domain = last
            vcpu = next(vcpu for vcpu in domain.turn if vcpu.may_run_on(pcpu.id))
            return self.run(vcpu, pcpu, self.slice_of(domain), now)
        if self.parked:
            return None, max(self.round * (now // self.round + 1) - now, LEAST_SLICE)
        return None

    def charge(self, vcpu: Vcpu, amount: int) -> None:
        self.bill(vcpu.domain, amount, self.host.now())

    def tune(self, domain: Domain) -> None:
        if domain.vcpus == 0:
            return
        domain.period = self.host.now() // self.round
        domain.allowance = self.quota(domain)
        credit = self.credit(domain)
        self.leave_order(domain)
        domain.counted = domain.weight
        domain.position = self.clock - scaled(credit, domain.weight)
        self.enter_order(domain)
        for number in range(self.host.pcpus):
            if number not in self.pcpus or self.pcpus[number].running is None:
                self.host.kick(number)

    # Rounds: each gives every domain that takes part its weight's part of the round.

    def gift(self) -> int:
        active = sum(int(domain.counted) for domain in self.domains if domain.active)
        return self.round * SCALE // max(active, 1)

    def credit(self, domain: Domain) -> int:
        return quotient(self.clock - domain.position, SCALE) * int(domain.counted)

    def has_credit(self, domain: Domain) -> bool:
        return bool(domain.position < self.clock)

    def forget_savings(self, domain: Domain) -> None:
        """Nobody saves more than two shares of a round, or one rate limit."""
        most = max(self.given * 2, scaled(self.limit, domain.counted))
        domain.position = max(domain.position, self.clock - most)

    def take_part(self, domain: Domain) -> None:
        if not domain.active:
            domain.active = True
            self.given = min(self.given, self.gift())
        self.forget_savings(domain)

    def start_round(self, domain: Domain) -> None:
        """As many rounds as this domain needs to have credit. Who slept through the last one takes part no longer."""
        self.rounds += 1
        for other in self.domains:
            if other.runnable == 0 and other.rests_since < self.rounds - 1:
                other.active = False
        self.given = self.gift()
        self.clock = max(self.clock + self.given, domain.position + 1)

    def bill(self, domain: Domain, amount: int, now: int) -> None:
        self.within_cap(domain, now, amount)
        domain.allowance -= amount
        self.leave_order(domain)
        domain.position += scaled(amount, domain.counted)
        self.forget_savings(domain)
        if not self.has_credit(domain) or self.is_held_back(domain):
            for vcpu in self.wakers(domain):
                self.woken.remove(vcpu)
                vcpu.boosted = False
                domain.turn.append(vcpu)
        self.enter_order(domain)

    def busy_pcpus(self) -> list[Pcpu]:
        known = [self.pcpus[number] for number in range(self.host.pcpus) if number in self.pcpus]
        return [pcpu for pcpu in known if pcpu.running is not None]

    def settle_running(self, here: Pcpu, now: int) -> None:
        """Domains that wait pay for what their vCPUs have run on other pCPUs by now."""
        for pcpu in self.busy_pcpus():
            amount = now - pcpu.since
            if pcpu is not here and pcpu.running.domain.turn and amount >= LEAST_SLICE:
                pcpu.since, pcpu.billed = now, pcpu.billed + amount
                self.bill(pcpu.running.domain, amount, now)

    # Caps: an allowance for each period. Only what runs already and is billed later is saved.

    def quota(self, domain: Domain) -> int:
        return self.round * int(domain.cap) // 100

    def within_cap(self, domain: Domain, now: int, due: int = 0) -> bool:
        quota, period = self.quota(domain), now // self.round
        if domain.cap != 0 and period != domain.period:
            running = [pcpu for pcpu in self.busy_pcpus() if pcpu.running.domain is domain]
            most = quota + due + sum(now - pcpu.since for pcpu in running)
            domain.allowance = min(domain.allowance + quota * (period - domain.period), most)
            domain.period = period
        return not self.is_held_back(domain)

    @staticmethod
    def is_held_back(domain: Domain) -> bool:
        return bool(domain.cap != 0 and domain.allowance <= 0)

    def release(self, pcpu: Pcpu, now: int) -> None:
        """The domains that their caps held back in an earlier period, and that may run here, get a new allowance."""
        for domain in sorted(self.parked, key=lambda domain: int(domain.parked_in)):
            able = any(vcpu.may_run_on(pcpu.id) for vcpu in domain.turn)
            if able and domain.parked_in < now // self.round:
                self.leave_order(domain)
                self.within_cap(domain, now)
                self.enter_order(domain)

    # Queues: a domain is in `ready` or `parked` while a vCPU of it waits for its turn.

    def enter_order(self, domain: Domain) -> None:
        if domain.turn and self.is_held_back(domain):
            domain.parked_in = domain.period
            self.parked.append(domain)
        elif domain.turn:
            self.ready.append(domain)

    def leave_order(self, domain: Domain) -> None:
        if domain in self.parked:
            self.parked.remove(domain)
            domain.free_since = self.round * domain.parked_in
        elif domain in self.ready:
            self.ready.remove(domain)

    def queue(self, vcpu: Vcpu, first: bool = False) -> None:
        domain = vcpu.domain
        domain.turn.insert(0 if first else len(domain.turn), vcpu)
        if len(domain.turn) == 1:
            self.enter_order(domain)

    def requeue(self, vcpu: Vcpu, why: Stop, now: int) -> None:
        domain = vcpu.domain
        self.begin_to_wait(vcpu, now)
        if why == Stop.SLICE_END and self.may_wake_again(vcpu, now):
            self.woken.append(vcpu)
            return
        if why == Stop.YIELDED:
            self.give_way(domain)
        else:
            vcpu.on.cut = vcpu
        goes_on = why == Stop.PREEMPTED and self.has_credit(domain) and not self.is_held_back(domain)
        self.queue(vcpu, first=goes_on)
        if goes_on:
            vcpu.on.held = vcpu

    def may_wake_again(self, vcpu: Vcpu, now: int) -> bool:
        """Its turn was a grace for the sake of another vCPU that woke, and its domain has credit left."""
        domain = vcpu.domain
        return (
            vcpu.on.until - vcpu.on.began <= LEAST_SLICE
            and self.has_credit(domain)
            and self.within_cap(domain, now)
            and len(self.wakers(domain)) < self.host.pcpus
        )

    def give_way(self, domain: Domain) -> None:
        """A yield gives away what the domain has more than the next one."""
        most = min((other.position for other in self.ready), default=domain.position)
        if most > domain.position:
            self.leave_order(domain)
            domain.position = most
            self.enter_order(domain)

    def leave_queue(self, vcpu: Vcpu) -> None:
        domain = vcpu.domain
        domain.waiting.remove(vcpu)
        if vcpu in self.woken:
            self.woken.remove(vcpu)
        else:
            domain.turn.remove(vcpu)
            if not domain.turn:
                self.leave_order(domain)
        vcpu.boosted = False
        if vcpu.on is not None and vcpu.on.held is vcpu:
            vcpu.on.held = None
        if vcpu.on is not None and vcpu.on.cut is vcpu:
            vcpu.on.cut = None

    # Patience: a domain that has waited too long is picked before all others.

    def begin_to_wait(self, vcpu: Vcpu, now: int) -> None:
        vcpu.queued_at = now
        vcpu.domain.waiting.append(vcpu)

    def due(self, domain: Domain) -> int:
        """When its oldest vCPU is to get a least slice, if no other vCPU of it does before."""
        weights = sum(other.weight for other in self.domains)
        most = max(PATIENCE, LEAST_SLICE * weights // domain.weight)
        since: int = domain.waiting[0].queued_at
        if domain.served > since:
            since = min(domain.served, since + most * (domain.runnable - 1))
        return since + most

    def overdue_for(self, pcpu: Pcpu, now: int) -> Vcpu | None:
        """Of the domain that is overdue longest. While its cap holds it back, a domain is not waiting."""
        overdue = [
            domain
            for domain in self.domains
            if domain.waiting
            and domain.waiting[0].may_run_on(pcpu.id)
            and domain not in self.parked
            and max(self.due(domain), domain.free_since + PATIENCE) <= now
        ]
        return min(overdue, key=self.due).waiting[0] if overdue else None

    # Wakers: they preempt as often as the rate limit allows, and only whom they outrank.

    def wakers(self, domain: Domain) -> list[Vcpu]:
        return [vcpu for vcpu in self.woken if vcpu.domain is domain]

    def pay_boost(self, domain: Domain, now: int) -> bool:
        paid = max(domain.boosted_to, now)
        if paid - now > self.limit * (self.values["burst"] - 1):
            return False
        domain.boosted_to = paid + self.limit
        return True

    def standing(self, domain: Domain, unbilled: int = 0) -> int:
        """How much of its share the domain has left, up to one share."""
        left: int = self.clock - domain.position - scaled(unbilled, domain.counted)
        return min(left, self.gift())

    def standing_on(self, pcpu: Pcpu, now: int) -> int:
        return self.standing(pcpu.running.domain, now - pcpu.since)

    def weakest_for(self, vcpu: Vcpu, now: int) -> Pcpu | None:
        """The pCPU whose vCPU has the least claim to it, unclaimed ones first; None if one is idle."""
        able = [number for number in range(self.host.pcpus) if vcpu.may_run_on(number)]
        if any(number not in self.pcpus or self.pcpus[number].running is None for number in able):
            return None
        busy = [self.pcpus[number] for number in able]
        return min(busy, key=lambda pcpu: (pcpu.claimed, self.standing_on(pcpu, now))) if busy else None

    def first_woken(self, pcpu: Pcpu) -> Vcpu | None:
        able = [vcpu for vcpu in self.woken if vcpu.may_run_on(pcpu.id)]
        return next((vcpu for vcpu in able if vcpu.boosted), able[0] if able else None)

    def next_waker(self, pcpu: Pcpu, now: int) -> Vcpu | None:
        """One that woke, or the one just preempted while it is protected from it."""
        waker = self.first_woken(pcpu)
        if waker is None:
            return None
        held: Vcpu | None = pcpu.held
        if held is not None and now - pcpu.began < self.protection(held, waker):
            return held
        return None if self.waits_elsewhere(waker, pcpu, now) else waker

    def waits_elsewhere(self, waker: Vcpu, here: Pcpu, now: int) -> bool:
        """Whether one that may not preempt waits for the pCPU of a domain with less left than the one here."""
        if waker.boosted or here.cut is None or here.cut.domain in self.parked:
            return False
        least = self.standing(here.cut.domain)
        busy = [pcpu for pcpu in self.busy_pcpus() if waker.may_run_on(pcpu.id)]
        weaker = [pcpu for pcpu in busy if self.standing_on(pcpu, now) < least]
        if not weaker:
            return False
        weakest = min(weaker, key=lambda pcpu: self.standing_on(pcpu, now))
        if not weakest.claimed and weakest.until > weakest.began + self.limit:
            weakest.claimed = True
            self.host.kick(weakest.id)
        return True

    def must_leave_to(self, owner: Domain, taker: Domain) -> bool:
        """Whether the taker has its part of the pCPUs, and the owner could not make up for the loss of one."""
        active = sum(int(domain.counted) for domain in self.domains if domain.active)
        if owner is taker or (owner.runnable - 1) * active >= owner.counted * self.host.pcpus:
            return False
        if quotient(owner.position - taker.position, SCALE) * int(owner.counted) > MOST_AHEAD:
            return False
        running = sum(pcpu.running.domain is taker for pcpu in self.busy_pcpus())
        taken = running + len(self.wakers(taker))
        return bool(taken * active >= taker.counted * self.host.pcpus)

    def protection(self, vcpu: Vcpu, waker: Vcpu) -> int:
        """How long the vCPU may run in one go now that the other one waits."""
        if not waker.boosted:
            return self.limit
        return 0 if self.standing(vcpu.domain) < self.standing(waker.domain) else GRACE

    def slice_of(self, domain: Domain) -> int:
        length = min(max(self.credit(domain), self.limit), max(self.round, self.limit))
        return min(length, int(domain.allowance)) if domain.cap != 0 else length

    def run(self, vcpu: Vcpu, pcpu: Pcpu, length: int, now: int) -> tuple[Vcpu, int]:
        if pcpu.held is not vcpu:
            pcpu.began = now
        self.leave_queue(vcpu)
        vcpu.domain.served = now
        pcpu.held = None
        pcpu.running = vcpu
        pcpu.since = now
        vcpu.on = pcpu
        waker = self.first_woken(pcpu)
        if waker is not None:
            length = min(length, self.protection(vcpu, waker) - (now - pcpu.began))
        length = max(length, LEAST_SLICE)
        pcpu.until = now + length
        return vcpu, length
