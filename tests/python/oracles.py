"""Schedulers written a second time, in Python, from what their files say: oracles for the compiled ones."""

from __future__ import annotations

from bulkhead.policy.scheduler import Domain, Pcpu, Scheduler, Stop, Vcpu
from bulkhead.policy.tables import Parameter

US = 1_000
LEAST_SLICE = 50 * US
GRACE = LEAST_SLICE
PATIENCE = 1_000_000 * US


class RoundRobin(Scheduler):
    """One queue, fixed slices, everybody in turn."""

    name = "round_robin"
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


class Credit(Scheduler):
    """Rounds of credit by weight, paid back to the nanosecond, and a boost on wake as often as the rate limit says."""

    name = "credit"
    parameters = (
        Parameter("round", "us", "CPU time that a round shares out", 10_000, 1_000, 100_000),
        Parameter("rate_limit", "us", "a domain preempts at most once per this time", 1_000, 100, 20_000),
        Parameter("burst", "1", "preemptions that a domain may save up", 8, 1, 64),
    )

    def start(self) -> None:
        self.round, self.limit = self.values["round"] * US, self.values["rate_limit"] * US
        self.domains: list[Domain] = []
        self.pcpus: dict[int, Pcpu] = {}
        self.woken: list[Vcpu] = []
        self.ready: list[Vcpu] = []
        self.spent: list[Vcpu] = []
        self.period = 0

    def attach(self, vcpu: Vcpu) -> None:
        domain = vcpu.domain
        if domain not in self.domains:
            self.domains.append(domain)
            domain.attached = domain.runnable = domain.credit = domain.share = 0
            domain.allowance = domain.period = domain.boosted_to = 0
            domain.used = False
        domain.attached += 1
        vcpu.on, vcpu.queued_at, vcpu.boosted = None, 0, False

    def detach(self, vcpu: Vcpu) -> None:
        vcpu.domain.attached -= 1
        if vcpu.domain.attached == 0:
            self.domains.remove(vcpu.domain)

    def wake(self, vcpu: Vcpu, now: int) -> None:
        domain = vcpu.domain
        domain.runnable += 1
        if domain.runnable == 1 and not domain.used:
            self.set_shares()
        vcpu.queued_at = now
        if domain.credit <= 0 or not self.within_cap(domain, now):
            self.ready.append(vcpu)
            return
        self.woken.append(vcpu)
        victim = self.weakest_for(vcpu, now)
        if victim is None or self.below(self.standing(domain), self.standing_on(victim, now)):
            return
        vcpu.boosted = self.pay_boost(domain, now)
        if not victim.claimed and (vcpu.boosted or victim.until > victim.began + self.limit):
            victim.claimed = True
            self.host.kick(victim.id)

    def deschedule(self, vcpu: Vcpu, why: int, ran: int, now: int) -> None:
        self.bill(vcpu.domain, ran, now)
        if any(vcpu in queue for queue in (self.woken, self.ready, self.spent)):
            self.leave_queue(vcpu)
        else:
            vcpu.on.running = None
        if Stop(why).still_runnable:
            self.requeue(vcpu, Stop(why), now)
            return
        vcpu.domain.runnable -= 1
        vcpu.on = None

    def pick(self, pcpu: Pcpu, now: int) -> tuple[Vcpu | None, int] | None:
        if pcpu.id not in self.pcpus:
            self.pcpus[pcpu.id] = pcpu
            pcpu.running = pcpu.held = None
            pcpu.began = pcpu.since = pcpu.until = 0
        pcpu.claimed = False
        if now // self.round != self.period:
            self.period = now // self.round
            self.respend()
        vcpu = self.choose(pcpu, now)
        if vcpu is None and self.start_round(pcpu, now):
            vcpu = self.choose(pcpu, now)
        if vcpu is not None:
            return vcpu, self.run(vcpu, pcpu, now)
        if not self.spent and not self.ready:
            return None
        return None, max(self.round * (now // self.round + 1) - now, LEAST_SLICE)

    def charge(self, vcpu: Vcpu, amount: int) -> None:
        self.bill(vcpu.domain, amount, self.host.now())

    def respend(self) -> None:
        self.ready += self.spent
        self.spent = []

    def bill(self, domain: Domain, amount: int, now: int) -> None:
        domain.credit -= amount
        domain.used = True
        self.within_cap(domain, now)
        domain.allowance -= amount

    def within_cap(self, domain: Domain, now: int) -> bool:
        if domain.cap == 0:
            return True
        quota, period = self.round * domain.cap // 100, now // self.round
        domain.allowance = min(domain.allowance + quota * (period - domain.period), quota)
        domain.period = period
        return bool(domain.allowance > 0)

    def start_round(self, pcpu: Pcpu, now: int) -> bool:
        self.respend()
        self.set_shares()
        candidates = [
            vcpu.domain
            for vcpu in self.ready
            if vcpu.may_run_on(pcpu.id) and self.within_cap(vcpu.domain, now)
        ]
        if not candidates:
            return False
        needed = min(1 + quotient(max(-domain.credit, 0), domain.share) for domain in candidates)
        a_turn_each = self.limit // max(domain.share for domain in candidates)
        for domain in self.domains:
            most = max(domain.share * 2, self.limit)
            domain.credit = min(domain.credit + domain.share * max(needed, a_turn_each), most)
            domain.used = False
        for vcpu in list(self.ready):
            if now - vcpu.queued_at > PATIENCE and self.within_cap(vcpu.domain, now):
                self.ready.remove(vcpu)
                self.woken.append(vcpu)
        return True

    def set_shares(self) -> None:
        active = 1 + sum(domain.weight for domain in self.domains if domain.runnable > 0 or domain.used)
        for domain in self.domains:
            share = min(max(self.round * domain.weight // active, 1), self.round)
            if domain.share == 0:
                domain.credit = share * 2
            elif domain.credit > 0:
                domain.credit = domain.credit * share // domain.share
            domain.share = share

    def pay_boost(self, domain: Domain, now: int) -> bool:
        paid = max(domain.boosted_to, now)
        if paid - now > self.limit * (self.values["burst"] - 1):
            return False
        domain.boosted_to = paid + self.limit
        return True

    @staticmethod
    def below(a: tuple[int, int], b: tuple[int, int]) -> bool:
        return a[0] * b[1] < b[0] * a[1]

    @staticmethod
    def standing(domain: Domain, unbilled: int = 0) -> tuple[int, int]:
        return min(domain.credit - unbilled, domain.share), domain.share

    def standing_on(self, pcpu: Pcpu, now: int) -> tuple[int, int]:
        return self.standing(pcpu.running.domain, now - pcpu.since)

    def weakest_for(self, vcpu: Vcpu, now: int) -> Pcpu | None:
        weakest: Pcpu | None = None
        for number in range(self.host.pcpus):
            if not vcpu.may_run_on(number):
                continue
            pcpu = self.pcpus.get(number)
            if pcpu is None or pcpu.running is None:
                return None
            if (
                weakest is None
                or (weakest.claimed and not pcpu.claimed)
                or (
                    weakest.claimed == pcpu.claimed
                    and self.below(self.standing_on(pcpu, now), self.standing_on(weakest, now))
                )
            ):
                weakest = pcpu
        return weakest

    def requeue(self, vcpu: Vcpu, why: Stop, now: int) -> None:
        vcpu.queued_at = now
        if why == Stop.YIELDED:
            self.spent.append(vcpu)
        elif vcpu.domain.credit <= 0 or (why == Stop.SLICE_END and self.is_outranked(vcpu)):
            self.ready.append(vcpu)
        else:
            self.ready.insert(0, vcpu)
            if why == Stop.PREEMPTED:
                vcpu.on.held = vcpu

    def is_outranked(self, vcpu: Vcpu) -> bool:
        for other in self.ready:
            if other.may_run_on(vcpu.on.id) and other.domain.credit > 0:
                return not self.below(self.standing(other.domain), self.standing(vcpu.domain))
        return False

    def leave_queue(self, vcpu: Vcpu) -> None:
        for queue in (self.woken, self.ready, self.spent):
            if vcpu in queue:
                queue.remove(vcpu)
        vcpu.boosted = False
        if vcpu.on is not None and vcpu.on.held is vcpu:
            vcpu.on.held = None

    def choose(self, pcpu: Pcpu, now: int) -> Vcpu | None:
        waker = self.first_woken(pcpu)
        if (
            pcpu.held is not None
            and waker is not None
            and now - pcpu.began < self.protection(pcpu.held, waker)
        ):
            held: Vcpu = pcpu.held
            return held
        if waker is not None:
            return waker
        for vcpu in list(self.ready):
            if vcpu.domain.credit <= 0 or not self.within_cap(vcpu.domain, now):
                self.ready.remove(vcpu)
                self.spent.append(vcpu)
            elif vcpu.may_run_on(pcpu.id):
                return vcpu
        return None

    def first_woken(self, pcpu: Pcpu) -> Vcpu | None:
        able = [vcpu for vcpu in self.woken if vcpu.may_run_on(pcpu.id)]
        return next((vcpu for vcpu in able if vcpu.boosted), able[0] if able else None)

    def protection(self, vcpu: Vcpu, waker: Vcpu) -> int:
        if not waker.boosted:
            return self.limit
        return 0 if self.below(self.standing(vcpu.domain), self.standing(waker.domain)) else GRACE

    def run(self, vcpu: Vcpu, pcpu: Pcpu, now: int) -> int:
        goes_on = pcpu.held is vcpu
        self.leave_queue(vcpu)
        pcpu.held = None
        pcpu.running = vcpu
        pcpu.began = pcpu.began if goes_on else now
        pcpu.since = now
        vcpu.on = pcpu
        domain = vcpu.domain
        length = min(max(domain.credit, self.limit), max(self.round, self.limit))
        waker = self.first_woken(pcpu)
        if waker is not None:
            length = min(length, self.protection(vcpu, waker) - (now - pcpu.began))
        if domain.cap != 0:
            length = min(length, domain.allowance)
        length = max(length, LEAST_SLICE)
        pcpu.until = now + length
        return int(length)
