#include "tests/fuzz/whole/dom0.hpp"

#include "abi/control.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"
#include "tests/fuzz/allocations.hpp"
#include "tests/fuzz/whole/boot.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

extern "C" {
#include <xen/memory.h>
}

namespace bulkhead::hv::whole {

namespace {

Call control_call(control::Call call, std::uint64_t first, std::uint64_t second = 0) {
    return {control::hypercall_number, {static_cast<std::uint64_t>(call), first, second}};
}

bool is_ready(const Domain* domain) { return domain != nullptr && domain->life == control::Life::paused; }

} // namespace

std::uint32_t Dom0::count_guests() const {
    std::uint32_t count = 0;
    for_each_domain([&](Domain&) { ++count; });
    return count - 1;
}

void Dom0::end_all() {
    ending_ = true;
    stage_ = Stage::none;
    misconduct(Misconduct::none);
    test::fail_in(0);
}

bool Dom0::ended_all() const { return ending_ && count_guests() == 0; }

std::optional<Call> Dom0::next(Vcpu&, Place& place) {
    if (ending_)
        return end_one();
    if (stage_ != Stage::none && input_.below(16) != 0)
        if (const auto call = build(place)) {
            builds_ = true;
            return call;
        }
    return choose(place);
}

// Each in turn until it is gone: what others hold of one that waits is let go with them.
std::optional<Call> Dom0::end_one() {
    const Domain* domain = next_domain(dying_.has_value() ? *dying_ + 1U : 1U);
    if (domain == nullptr)
        domain = next_domain(1);
    if (domain == nullptr)
        return {};
    dying_ = static_cast<std::uint16_t>(domain->sched.slot);
    return control_call(control::Call::destroy_domain, domain->id.value());
}

std::optional<Call> Dom0::choose(Place& place) {
    const auto& weights = plan_.control;
    const std::uint8_t all[] = {weights.create,  weights.destroy,    weights.pause, weights.tune,
                                weights.swap,    weights.misconduct, weights.audit, weights.starve,
                                weights.connect, weights.disconnect};
    auto choice = input_.byte();
    std::size_t kind = 0;
    while (kind < std::size(all) && choice >= all[kind])
        choice = static_cast<std::uint8_t>(choice - all[kind++]);
    switch (kind) {
    case 0:
        if (count_guests() >= 2 * plan_.guests || stage_ != Stage::none)
            return {};
        stage_ = Stage::create;
        builds_ = true;
        return create(place);
    case 1:
        return control_call(control::Call::destroy_domain, calls_.any_domain());
    case 2:
        return control_call(input_.below(2) == 0 ? control::Call::pause_domain
                                                 : control::Call::unpause_domain,
                            calls_.any_domain());
    case 3:
        return tune();
    case 4:
        return control_call(control::Call::swap_policy,
                            input_.below(policies + 1 + (plan_.rings ? ring_policies : 0)));
    case 5:
        misconduct(input_.below(2) == 0 ? Misconduct::traps : Misconduct::lasts);
        return {};
    case 6:
        return control_call(control::Call::audit, 0);
    case 7:
        test::fail_in(1 + input_.below(48));
        return {};
    case 8:
        return connect(place);
    case 9:
        return disconnect();
    default:
        return {};
    }
}

Call Dom0::tune() {
    const auto id = calls_.any_domain();
    switch (input_.below(3)) {
    case 0:
        return control_call(control::Call::set_weight, id, input_.byte() * std::uint64_t{17});
    case 1:
        return control_call(control::Call::set_affinity,
                            std::uint64_t{id} << 16 | input_.below(plan_.vcpus + 1), 1 + input_.below(15));
    default:
        return control_call(control::Call::work_for, id);
    }
}

std::optional<Call> Dom0::build(Place& place) {
    const auto* const domain = find_domain(DomainId{built_});
    if (stage_ != Stage::create && !is_ready(domain)) { // it was destroyed meanwhile
        stage_ = Stage::none;
        return {};
    }
    switch (stage_) {
    case Stage::populate:
        return populate(place);
    case Stage::load:
        if (memory_is_untouched())
            return load(place);
        stage_ = Stage::none;
        return {};
    case Stage::start:
        return control_call(control::Call::unpause_domain, built_);
    case Stage::create:
    case Stage::none:
        break;
    }
    return {};
}

Call Dom0::create(Place& place) {
    control::CreateDomain request{};
    std::memcpy(request.name, "guest", 5);
    request.frames = frames;
    request.max_frames = input_.below(4) == 0 ? 600 : 40;
    request.vcpus = 1 + input_.below(plan_.vcpus);
    request.weight = input_.byte();
    request.cap = input_.below(4) == 0 ? 50 : 0;
    if (request.cap == 0 && request.weight % 2 != 0 &&
        plan_.most_vcpus != 0) // no byte more: seeds stay what they were
        request.vcpus = plan_.most_vcpus;
    request.dilation = 2000;
    constexpr manifest::TimeMode modes[] = {manifest::TimeMode::real, manifest::TimeMode::virtual_,
                                            manifest::TimeMode::dilated};
    request.time_mode = input_.of(modes);
    request_ = place.put(request);
    return control_call(control::Call::create_domain, request_);
}

Call Dom0::populate(Place& place) {
    auto* const list = place.array<std::uint64_t>(frames);
    for (std::uint32_t i = 0; i < frames; ++i)
        list[i] = i;
    list_ = list;
    xen_memory_reservation_t request{};
    request.extent_start.p = list;
    request.nr_extents = frames;
    request.domid = built_;
    return {__HYPERVISOR_memory_op, {XENMEM_populate_physmap, place.put(request)}};
}

bool Dom0::memory_is_untouched() const {
    return std::ranges::all_of(memory_, [this](Mfn mfn) {
        const auto* frame = frame_table().find(mfn);
        return frame != nullptr && frame->belongs_to(Owner{DomainId{built_}}) &&
               frame->type_references() == 0 && !frame->partial();
    });
}

// Its pages are filled through a mapping of domain 0's, which this leaves out.
Call Dom0::load(Place& place) {
    fill_tables(memory_.data(), frames);
    control::SetVcpu request{};
    request.domain = built_;
    request.context = place.put(context_of(memory_[0]));
    return control_call(control::Call::set_vcpu, place.put(request));
}

void Dom0::answered(std::int64_t answer) {
    note_connection(answer);
    if (!std::exchange(builds_, false) || ending_)
        return;
    switch (stage_) {
    case Stage::create:
        stage_ = answer == 0 ? Stage::populate : Stage::none;
        if (answer == 0)
            built_ = reinterpret_cast<const control::CreateDomain*>(request_)->id;
        return;
    case Stage::populate:
        stage_ = answer == frames ? Stage::load : Stage::none;
        for (std::uint32_t i = 0; answer == frames && i < frames; ++i)
            memory_[i] = Mfn{list_[i]};
        return;
    case Stage::load:
        stage_ = answer == 0 ? Stage::start : Stage::none;
        if (answer == 0 && plan_.rings)
            fronts_.born(*find_domain(DomainId{built_}));
        return;
    case Stage::start:
    case Stage::none:
        stage_ = Stage::none;
        return;
    }
}

} // namespace bulkhead::hv::whole
