// pinger and responder: requests on a fixed timetable, whether or not earlier ones were answered
// (workloads/victims).
#include "sim/world.hpp"

#include <algorithm>

namespace bulkhead::sim {

using guest::Mark;

namespace {

constexpr Nanos look_again = milliseconds(1);
constexpr Nanos patience = milliseconds(1'000);
constexpr std::int64_t work_instructions = 4; // of one iteration of workloads/work.hpp

RealTime first_deadline(RealTime now, Nanos period, Nanos phase) {
    const std::int64_t periods = now.since_start().count() / period.count() + 2;
    return RealTime{periods * period.count()} + phase;
}

} // namespace

Program pinger(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos period = setup.microseconds("period_us");
    const Nanos before{setup.world().machine().costs().ask}, take{setup.world().machine().costs().take};
    const std::uint64_t limit =
        setup.number("requests") == 0 ? UINT64_MAX : static_cast<std::uint64_t>(setup.number("requests"));
    while (setup.world().peer(setup.text("peer")) == nullptr)
        co_await me.block(me.now() + look_again);
    Guest& peer = *setup.world().peer(setup.text("peer"));
    Link& link = setup.world().link(me, peer);
    for (link.offered = true; !link.ready; me.take_event())
        co_await me.wait(me.now() + look_again * 10);
    RealTime due = first_deadline(me.now(), period, setup.nanoseconds("phase_ns"));
    std::uint64_t sent = 0, received = 0;
    while (me.now() < ends && sent < limit) {
        while (received < link.replied) {
            co_await me.mark(code(Mark::reply_received), received);
            co_await me.run(take);
            ++received;
        }
        while (sent < limit && me.now() >= due && sent - received < Link::slots) {
            co_await me.run(before);
            co_await me.mark(code(Mark::deadline), static_cast<std::uint64_t>(due.since_start().count()));
            co_await me.mark(code(Mark::request_sent), sent);
            link.requested = ++sent;
            due += period;
            co_await me.notify(peer);
        }
        co_await me.wait(sent - received < Link::slots ? std::min(due, ends) : ends);
        me.take_event();
    }
    for (const RealTime end = me.now() + patience; received < sent && me.now() < end; me.take_event()) {
        while (received < link.replied)
            co_await me.mark(code(Mark::reply_received), received++);
        co_await me.wait(end);
    }
    link.closed = true;
    co_await me.notify(peer);
    co_await me.mark(code(Mark::finished), received);
}

Program responder(Guest& me, ModelSetup setup) {
    const RealTime ends = setup.ends(me.now());
    const Nanos around{setup.world().machine().costs().serve};
    const Nanos work = setup.instructions(setup.number("work") * work_instructions) + around;
    while (setup.world().peer(setup.text("peer")) == nullptr)
        co_await me.block(me.now() + look_again);
    Guest& peer = *setup.world().peer(setup.text("peer"));
    Link& link = setup.world().link(peer, me);
    while (!link.offered)
        co_await me.block(me.now() + look_again);
    link.ready = true;
    co_await me.notify(peer);
    std::uint64_t served = 0;
    while (me.now() < ends && !link.closed) {
        while (served < link.requested) {
            co_await me.mark(code(Mark::request_seen), served);
            co_await me.run(work);
            link.replied = served + 1;
            co_await me.mark(code(Mark::response_sent), served);
            co_await me.notify(peer);
            ++served;
        }
        co_await me.wait(ends);
        me.take_event();
    }
    co_await me.mark(code(Mark::finished), served);
}

} // namespace bulkhead::sim
