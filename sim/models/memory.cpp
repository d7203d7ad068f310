// Guests that use memory: those with a working set, the attack that hoards, the one that releases and takes
// again, and the one that forks. Each does what the small guest of its name does.
#include "sim/model.hpp"
#include "workloads/access_pattern.hpp"
#include "workloads/random.hpp"

#include <algorithm>
#include <stdexcept>

namespace bulkhead::sim {

using guest::Mark;

namespace {

constexpr unsigned uses_of_a_step = 8; // of a cache: others' uses come in between
constexpr std::int64_t mib_pages = (1 << 20) / static_cast<std::int64_t>(page_bytes);

std::size_t pages_of(const ModelSetup& setup, std::string_view option, std::size_t all) {
    const std::int64_t wanted = setup.number(option) * mib_pages;
    if (wanted > static_cast<std::int64_t>(all))
        throw std::invalid_argument{"option " + std::string{option} + ": the guest has only " +
                                    std::to_string(static_cast<std::int64_t>(all) / mib_pages) +
                                    " MiB; give it more mem"};
    return wanted == 0 ? all : static_cast<std::size_t>(wanted);
}

} // namespace

// Uses random pages of its set, `work_us` of work for each. From `grow_ms` on the set is `set_mib`, before
// that a sixteenth. Gives back what it is asked for, unless it is stubborn. Sleeps for `idle_ms` after each
// `busy_ms`, if it has these. Marks: operations, and each fault with its wait.
Program memory_user(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const RealTime ends = setup.ends(me.now());
    const RealTime grows = me.now() + milliseconds(setup.number_or("grow_ms", 0));
    const Nanos idle = milliseconds(setup.number_or("idle_ms", 0));
    const Nanos busy = milliseconds(std::max<std::int64_t>(setup.number_or("busy_ms", 1), 1));
    const Nanos work = std::max(setup.microseconds("work_us"), microseconds(1)) + memory.costs().page;
    const std::int64_t step = std::max<std::int64_t>(setup.number("mark_ops"), 1);
    const std::size_t whole = pages_of(setup, "set_mib", memory.pages());
    const bool stubborn = setup.number("stubborn") != 0;
    workload::Random chance{1};
    std::uint64_t done = 0;
    RealTime rests = idle > Nanos{} ? me.now() + busy : RealTime::never();
    for (std::int64_t until_mark = step; me.now() < ends; --until_mark) {
        if (const std::int64_t excess = std::min(memory.excess(), GuestMemory::most_at_once);
            excess > 0 && !stubborn)
            co_await memory.release(me, excess);
        if (me.now() >= rests) {
            for (const RealTime resumes = rests + idle; me.now() < resumes && me.now() < ends;) {
                while (!stubborn && memory.excess() > 0)
                    co_await memory.release(me, std::min(memory.excess(), GuestMemory::most_at_once));
                co_await me.wait(std::min(resumes, ends)), me.take_event();
            }
            rests = rests + idle + busy;
        }
        const std::size_t set = me.now() < grows ? std::max<std::size_t>(whole / 16, 1) : whole;
        const std::size_t page = chance.below(set);
        while (!memory.use(page)) {
            co_await memory.fault(me, page);
            if (memory.faulted().pages_out)
                co_await me.run(memory.costs().page_out);
            const Nanos wait = memory.faulted().wait;
            co_await me.mark(code(Mark::page_fault), static_cast<std::uint64_t>(wait.count()));
            for (const RealTime there = me.now() + wait; me.now() < there;)
                co_await me.wait(there), me.take_event();
        }
        co_await me.run(work);
        ++done;
        if (until_mark == 1) {
            co_await me.mark(code(Mark::operations), done);
            until_mark += step;
        }
    }
}

// Has frames for all pages of a set and uses them in a pattern. Marks each page that it uses.
Program set_user(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const RealTime ends = setup.ends(me.now());
    const Nanos work = std::max(setup.microseconds("work_us"), microseconds(1)) + memory.costs().page;
    const std::size_t all = pages_of(setup, "set_mib", memory.pages());
    workload::AccessPattern uses{static_cast<std::uint64_t>(setup.number("pattern")), all};
    for (std::size_t taken = 0; me.now() < ends; ++taken) {
        if (const std::int64_t excess = std::min(memory.excess(), GuestMemory::most_at_once); excess > 0)
            co_await memory.release(me, excess);
        const bool fills = taken < all;
        const std::size_t page = fills ? taken : uses.next();
        while (!memory.use(page)) {
            co_await memory.fault(me, page);
            if (memory.faulted().pages_out)
                co_await me.run(memory.costs().page_out);
            const Nanos wait = memory.faulted().wait;
            co_await me.mark(code(Mark::page_fault), static_cast<std::uint64_t>(wait.count()));
            for (const RealTime there = me.now() + wait; me.now() < there;)
                co_await me.wait(there), me.take_event();
        }
        if (fills)
            continue;
        co_await me.mark(code(Mark::page_used), page);
        co_await me.run(work);
    }
}

// Takes all that it can get, once, and then sleeps; `stubborn` ones do not listen to the balloon either.
Program memory_hoarder(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const std::size_t all = pages_of(setup, "set_mib", memory.pages());
    const bool stubborn = setup.number("stubborn") != 0;
    for (std::size_t page = 0; page < all; ++page)
        if (!memory.use(page)) {
            co_await memory.fault(me, page);
            if (memory.faulted().pages_out)
                co_await me.run(memory.costs().page_out);
            co_await me.mark(code(Mark::page_fault));
        }
    co_await me.mark(code(Mark::operations), all);
    for (;;) {
        while (!stubborn && memory.excess() > 0) {
            const std::int64_t excess = std::min(memory.excess(), GuestMemory::most_at_once);
            co_await memory.release(me, excess);
        }
        co_await me.wait(RealTime::never());
        me.take_event();
    }
}

// Gives `batch` frames back and takes them again, over and over.
Program memory_thrasher(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const RealTime ends = setup.ends(me.now());
    const std::size_t all = pages_of(setup, "set_mib", memory.pages());
    const auto batch = std::max<std::int64_t>(setup.number("batch"), 1);
    std::uint64_t rounds = 0;
    while (me.now() < ends) {
        Nanos looked{};
        for (std::size_t page = 0; page < all && me.now() < ends; ++page) {
            looked += memory.costs().look;
            if (memory.use(page))
                continue;
            co_await memory.fault(me, page, std::exchange(looked, Nanos{}));
            if (memory.faulted().pages_out)
                co_await me.run(memory.costs().page_out);
            co_await me.mark(code(Mark::page_fault));
        }
        co_await memory.release(me, batch, looked);
        co_await me.mark(code(Mark::operations), ++rounds);
    }
}

// Starts children of `child_pages` pages and a table each. When a frame is missing, the oldest child ends.
// The table is a page like the others here: what it costs to validate it is not modelled.
Program memory_forker(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const RealTime ends = setup.ends(me.now());
    const auto each =
        static_cast<std::size_t>(std::clamp<std::int64_t>(setup.number("child_pages"), 1, 64)) + 1;
    const std::size_t all = memory.pages() / each * each;
    const Nanos copies = setup.microseconds("copy_us") * static_cast<std::int64_t>(each - 1);
    const Nanos work = setup.microseconds("work_us");
    const auto step = static_cast<std::uint64_t>(std::max<std::int64_t>(setup.number("mark_forks"), 1));
    if (all == 0)
        throw std::invalid_argument{
            "option child_pages: the guest has no memory for a child; give it more mem"};
    std::uint64_t forks = 0;
    for (std::size_t page = 0; me.now() < ends; page = (page + each) % all) {
        for (std::size_t i = page; i < page + each; ++i) {
            if (memory.use(i))
                continue; // it has all that it may have, and the page is of the oldest child
            co_await memory.fault(me, i);
            if (memory.faulted().pages_out)
                co_await me.run(memory.costs().page_out);
        }
        co_await me.run(copies + work);
        if (++forks % step == 0)
            co_await me.mark(code(Mark::operations), forks);
    }
}

// Has frames for all pages of a set and uses them in a pattern, through the model of a cache.
Program cache_user(Guest& me, ModelSetup setup) {
    GuestMemory& memory = setup.memory(me);
    const RealTime ends = setup.ends(me.now());
    const Nanos work = setup.nanoseconds("work_ns");
    const std::size_t all = pages_of(setup, "set_mib", memory.pages());
    const auto step = static_cast<std::uint64_t>(std::max<std::int64_t>(setup.number("mark_ops"), 1));
    workload::AccessPattern uses{static_cast<std::uint64_t>(setup.number("pattern")), all};
    for (std::size_t page = 0; page < all; ++page)
        if (!memory.use(page))
            co_await memory.fault(me, page);
    std::uint64_t done = 0;
    while (me.now() < ends) {
        Nanos took{};
        for (unsigned i = 0; i < uses_of_a_step; ++i) {
            const std::size_t page = uses.next();
            took += work + (memory.use(page) ? memory.access(page) : Nanos{});
        }
        co_await me.run(std::max(took, Nanos{1}));
        done += uses_of_a_step;
        if (done % step < uses_of_a_step)
            co_await me.mark(code(Mark::operations), done);
    }
}

} // namespace bulkhead::sim
