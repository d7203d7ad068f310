#include "hv/plugin/page_sampler.hpp"

#include "host/draws.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/tlb.hpp"
#include "hv/trace/ledger.hpp"
#include "hv/trace/trace.hpp"

#include <algorithm>
#include <utility>

namespace bulkhead::hv::page_sampler {

namespace {

constexpr std::uint32_t at_once = 16; // entries, between two looks at the budget
// A page is drawn again if the entry maps none. So many draws for each page at most: tables are rarely
// emptier.
constexpr std::uint32_t draws_for_page = 64;

enum class Part : std::uint8_t { begin, end_watches, index, draw };

// A step's part of the section's budget. (The timer that led here has expired, so machine::should_preempt
// would end each step at once.)
constexpr Nanos longest_step = microseconds(10);

std::uint32_t pages_wanted = 0;
std::uint64_t random = 0;
constinit TableIndex tables;

// Where the work goes on.
struct Place {
    std::uint32_t slot = 0; // of the domain
    Part part = Part::begin;
    std::uint32_t done = 0, draws = 0;
    PagesSeen seen;
};
constinit Place place;
RealTime step_ends{};

bool is_over() { return machine::now() >= step_ends; }

// Billed to the domains that are worked on.
struct Step {
    Step() { step_ends = machine::now() + longest_step; }
    ~Step() { bill_to(nullptr); }
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
};

void go_to(std::uint32_t slot) {
    place = {};
    place.slot = slot;
}

// The next domain to be worked on; work on one that is gone meanwhile is forgotten.
Domain* domain_at_hand() {
    for (;;) {
        Domain* const domain = next_domain(place.slot);
        if (domain == nullptr) {
            place = {};
            return nullptr;
        }
        if (domain->sched.slot != place.slot)
            go_to(domain->sched.slot);
        if (domain->allotment.sample.watches != nullptr)
            return domain;
        go_to(place.slot + 1);
    }
}

std::span<Watch> next_watches(const PageSample& sample) {
    const std::uint32_t first = std::min(place.done, sample.count);
    return {sample.watches + first, std::min(sample.count - first, at_once)};
}

// True once all of the domain's watches have been looked at.
bool look_at(Domain& domain) {
    for (auto some = next_watches(domain.allotment.sample); !some.empty();
         some = next_watches(domain.allotment.sample)) {
        place.seen += look_at_pages(domain, some);
        place.done += static_cast<std::uint32_t>(some.size());
        if (is_over())
            return false;
    }
    return true;
}

bool end_all_watches(Domain& domain) {
    for (auto some = next_watches(domain.allotment.sample); !some.empty();
         some = next_watches(domain.allotment.sample)) {
        end_watches(domain, some);
        place.done += static_cast<std::uint32_t>(some.size());
        if (is_over())
            return false;
    }
    domain.allotment.sample.count = 0;
    return true;
}

bool begin_all_watches(Domain& domain) {
    auto& sample = domain.allotment.sample;
    while (!tables.is_empty() && sample.count < pages_wanted && place.draws < draws_for_page * pages_wanted) {
        const std::span some{sample.watches + sample.count, std::min(pages_wanted - sample.count, at_once)};
        place.draws += static_cast<std::uint32_t>(some.size());
        sample.count += begin_watches(domain, tables, some, random);
        if (is_over())
            return false;
    }
    tlb::flush_mask(machine::pcpus_using(domain.id));
    trace_event(trace::Event::memory_watch, domain, sample.count, 0);
    return true;
}

// True once other pages of the domain are watched.
bool draw_of(Domain& domain) {
    if (place.part == Part::begin) {
        if (!domain.allotment.sample.clock.is_due(Nanos{domain.ledger->guest_ns}))
            return true;
        place.part = Part::end_watches;
    }
    if (place.part == Part::end_watches) {
        if (!end_all_watches(domain))
            return false;
        tables.begin();
        place.part = Part::index;
    }
    if (place.part == Part::index) {
        if (!tables.go_on(domain, random, step_ends))
            return false;
        place.part = Part::draw;
    }
    return begin_all_watches(domain);
}

} // namespace

void start(std::uint32_t pages, std::uint64_t seed) {
    pages_wanted = std::min(pages, most_watches);
    random = host::seed_of(host::Draws::page_samples, seed);
}

bool is_on() { return pages_wanted != 0; }

void admit(Domain& domain) {
    if (!is_on())
        return;
    if (const auto frame = frame_table().allocate_for_hypervisor())
        domain.allotment.sample.watches = machine::frame_as<Watch>(*frame);
}

void depart(Domain& domain) {
    domain.allotment.sample.count = 0;
    if (Watch* const watches = std::exchange(domain.allotment.sample.watches, nullptr))
        frame_table().free_for_hypervisor(machine::frame_of(watches));
}

bool look(void (*report)(Domain& domain, const PagesSeen& seen)) {
    const Step step;
    while (Domain* const domain = domain_at_hand()) {
        bill_to(domain);
        if (!look_at(*domain))
            return false;
        if (place.seen.looked_at != 0) {
            trace_event(trace::Event::memory_sample, *domain, place.seen.looked_at, place.seen.used);
            report(*domain, place.seen);
        }
        go_to(place.slot + 1);
    }
    return true;
}

bool draw() {
    const Step step;
    while (Domain* const domain = domain_at_hand()) {
        bill_to(domain);
        if (!draw_of(*domain))
            return false;
        go_to(place.slot + 1);
    }
    return true;
}

} // namespace bulkhead::hv::page_sampler
