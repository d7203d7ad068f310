#include "sim/ring_host.hpp"

#include "host/fallbacks.hpp"

#include <algorithm>
#include <stdexcept>

namespace bulkhead::sim {

namespace {
constexpr std::size_t slots_of_ring = ringctl::most_queued;
constexpr int rubbish = 0xdd;
} // namespace

RingHost::RingHost(Policy policy, const Options& options)
    : options_{options}, desk_{options.seed}, first_{policy} {
    install(std::move(policy));
}

RingHost::~RingHost() = default;

void RingHost::install(Policy policy) {
    if (report_.ejected == 0)
        describe(report_, policy);
    if (policy_.retire)
        policy_.retire();
    policy_ = std::move(policy);
    const plugin::Descriptor& descriptor = *policy_.descriptor;
    hooks_ = static_cast<const ringctl::Hooks*>(descriptor.hooks);
    desk_.start_arena();
    domain_objects_ = std::make_unique<Slab>(descriptor.domain_bytes);
    ring_objects_ = std::make_unique<Slab>(hooks_->ring_bytes);
    request_pitch_ = (hooks_->request_bytes + 15) / 16 * 16;
    request_objects_.clear();
    object_ = desk_.allocate(descriptor.policy_bytes, Slab::line);
    call().create(object_, desk_.host(), options_.disk.depth, policy_.values.data());
    ask_again_ = desk_.now;
}

RingHost::Domain& RingHost::domain(DomainId id) {
    const auto found = std::ranges::find(domains_, id, &Domain::id);
    return found != domains_.end() ? *found : domains_.emplace_back(Domain{.id = id, .values = {}});
}

// The policy in charge hears of a ring, and of its domain if it is the first.
void RingHost::enter(Ring& ring, std::uint32_t number) {
    Domain& owner = domain(ring.domain);
    if (owner.policy == nullptr) {
        owner.policy = reinterpret_cast<ringctl::Domain*>(domain_objects_->create());
        hooks_->create_domain(owner.policy);
        owner.policy->id = owner.id;
        owner.policy->weight = owner.weight;
        for (std::size_t i = 0; i < policy_.descriptor->domain_parameter_count; ++i)
            owner.policy->values[i] = policy_.descriptor == first_.descriptor && i < owner.values.size()
                                          ? owner.values[i]
                                          : policy_.descriptor->domain_parameters[i].initial;
    }
    ring.policy = reinterpret_cast<ringctl::Ring*>(ring_objects_->create());
    hooks_->create_ring(ring.policy);
    ring.policy->domain = owner.policy;
    ring.policy->number = number;
    ++owner.policy->rings;
    call().attach(object_, *ring.policy);
}

std::uint32_t RingHost::open(DomainId id, std::uint32_t weight, std::span<const std::int64_t> values) {
    Domain& owner = domain(id);
    if (owner.policy == nullptr) {
        owner.weight = weight;
        owner.values.assign(values.begin(), values.end());
    }
    const auto number = static_cast<std::uint32_t>(rings_.size());
    Ring& ring = rings_.emplace_back(Ring{.domain = id});
    slots_.resize(rings_.size() * slots_of_ring);
    request_objects_.push_back(std::make_unique<std::byte[]>(request_pitch_ * slots_of_ring));
    enter(ring, number);
    return number;
}

void RingHost::close(std::uint32_t number, RealTime now) {
    Ring& ring = rings_[number];
    if (!ring.open)
        return;
    desk_.now = now;
    for (std::size_t i = number * slots_of_ring; i < (number + 1) * slots_of_ring; ++i) {
        slots_[i].known = false;
        if (slots_[i].state != State::queued)
            continue;
        call().withdraw(object_, view(i));
        slots_[i].state = State::unused;
        --ring.used;
        --queued_;
        --domain(ring.domain).queued;
    }
    call().detach(object_, *ring.policy);
    --ring.policy->domain->rings;
    std::memset(static_cast<void*>(ring.policy), rubbish, hooks_->ring_bytes);
    ring.policy = nullptr;
    ring.open = false;
}

void RingHost::set_weight(DomainId id, std::uint32_t weight, RealTime now) {
    Domain& owner = domain(id);
    owner.weight = weight;
    if (owner.policy == nullptr)
        return;
    desk_.now = now;
    owner.policy->weight = weight;
    call().tune(object_, *owner.policy);
    give_work();
}

ringctl::Request& RingHost::view(std::size_t slot) const {
    std::byte* objects = request_objects_[slot / slots_of_ring].get();
    return *reinterpret_cast<ringctl::Request*>(objects + slot % slots_of_ring * request_pitch_);
}

// An address that a policy answers with is compared, never followed.
std::optional<std::size_t> RingHost::slot_of(const ringctl::Request* request) const {
    const auto* address = reinterpret_cast<const std::byte*>(request);
    for (std::size_t ring = 0; ring < request_objects_.size(); ++ring) {
        const std::byte* first = request_objects_[ring].get();
        if (std::less<>{}(address, first) || !std::less<>{}(address, first + request_pitch_ * slots_of_ring))
            continue;
        const auto offset = static_cast<std::size_t>(address - first);
        if (offset % request_pitch_ != 0)
            return std::nullopt;
        return ring * slots_of_ring + offset / request_pitch_;
    }
    return std::nullopt;
}

std::size_t RingHost::free_slot(std::uint32_t ring) const {
    std::size_t slot = ring * slots_of_ring;
    while (slots_[slot].state != State::unused)
        ++slot;
    return slot;
}

std::optional<std::uint64_t> RingHost::submit(std::uint32_t number, ringctl::Operation operation,
                                              std::uint64_t sector, std::uint32_t bytes, RealTime now) {
    Ring& ring = rings_[number];
    if (bytes == 0 || Disk::end_of(sector, bytes) > options_.disk.sectors)
        throw std::invalid_argument{"a request of " + std::to_string(bytes) + " bytes at sector " +
                                    std::to_string(sector) + " is empty or leaves the device"};
    if (!ring.open || !has_room(number))
        return std::nullopt;
    desk_.now = now;
    const std::size_t index = free_slot(number);
    Slot& slot = slots_[index];
    static_cast<Request&>(slot) = {number, ring.domain, submitted_++, sector, bytes, operation, now};
    slot.estimate = options_.disk.time(bytes, sector == ring.ends_at);
    slot.state = State::queued;
    ring.ends_at = Disk::end_of(sector, bytes);
    ++ring.used;
    ++queued_;
    if (Domain& owner = domain(ring.domain); owner.queued++ == 0) {
        owner.waits_from = slot.number;
        owner.overtaken = {};
    }
    const std::uint64_t given = slot.number;
    enqueue(index);
    give_work();
    return given;
}

void RingHost::enqueue(std::size_t index) {
    const Slot& slot = slots_[index];
    ringctl::Request& request = view(index);
    std::memset(static_cast<void*>(&request), 0, hooks_->request_bytes);
    hooks_->create_request(&request);
    request.ring = rings_[slot.ring].policy;
    request.number = slot.number;
    request.sector = slot.sector;
    request.bytes = slot.bytes;
    request.operation = slot.operation;
    request.arrived = slot.arrived;
    request.estimate = slot.estimate;
    call().enqueue(object_, request, desk_.now);
}

// What is wrong with next's answer; nullptr if nothing is.
const char* RingHost::wrong(const ringctl::Decision& answer, std::optional<std::size_t> slot) const {
    if (answer.request == nullptr && !may_idle())
        return "nothing, though a request is queued";
    if (answer.request == nullptr)
        return answer.until > desk_.now ? nullptr : "nothing before an instant that is not in the future";
    if (!slot || slots_[*slot].state == State::unused)
        return "not a request, or one that is gone";
    return slots_[*slot].state == State::queued ? nullptr : "a request that is in service already";
}

void RingHost::give_work() {
    while (in_service_.size() < options_.disk.depth && queued_ > 0) {
        const ringctl::Decision answer = call().next(object_, desk_.now);
        const auto slot = slot_of(answer.request);
        if (const char* what = wrong(answer, slot); what != nullptr) {
            eject(Hook::next, plugin::Fault::wrong_answer, std::string{"next: "} + what);
            continue;
        }
        if (answer.request != nullptr) {
            take(*slot);
            if (!may_idle() && std::ranges::any_of(domains_, [&](auto& each) { return is_starved(each); }))
                eject(Hook::next, plugin::Fault::starvation, "next: a domain was starved");
        } else if (answer.until == RealTime::never() && in_service_.empty()) {
            eject(Hook::next, plugin::Fault::starvation, "next: nothing for ever, beside an idle device");
        } else {
            ask_again_ = answer.until;
            return;
        }
    }
    ask_again_ = RealTime::never();
}

bool RingHost::may_idle() const {
    return (policy_.descriptor->traits & static_cast<std::uint32_t>(ringctl::Trait::idles)) != 0;
}

// The device's time goes to `taken`: whoever else waits and came before it has been overtaken.
void RingHost::note_overtaken(const Slot& taken, Nanos time) {
    for (Domain& each : domains_) {
        if (each.id == taken.domain) {
            each.waits_from = submitted_;
            each.overtaken = {};
            --each.queued;
        } else if (each.queued > 0 && taken.number >= each.waits_from) {
            each.overtaken += time;
        }
    }
}

// Beyond the bound of the contract; the built-in policy has no other to make way for.
bool RingHost::is_starved(const Domain& domain) const {
    if (domain.overtaken <= ringctl::longest_wait || policy_.descriptor == &host::fallback_ring_policy())
        return false;
    std::int64_t weights = 0;
    for (const Domain& each : domains_)
        weights += each.policy != nullptr && each.policy->rings > 0 ? each.weight : 0;
    const auto in_ms = [](Nanos time) { return time.count() / 1'000'000; };
    return in_ms(domain.overtaken) * std::min(domain.weight, ringctl::default_weight) >
           in_ms(ringctl::longest_wait) * weights;
}

void RingHost::take(std::size_t index) {
    Slot& slot = slots_[index];
    slot.state = State::taken;
    slot.known = true;
    --queued_;
    const Nanos time = options_.disk.time(slot.bytes, slot.sector == head_);
    note_overtaken(slot, time);
    head_ = Disk::end_of(slot.sector, slot.bytes);
    device_free_ = std::max(device_free_, desk_.now) + time;
    in_service_.push_back({index, time, device_free_});
    if (on_taken)
        on_taken(slot);
}

void RingHost::finish(const Service& service) {
    Slot& slot = slots_[service.slot];
    Ring& ring = rings_[slot.ring];
    if (slot.known)
        call().complete(object_, view(service.slot), service.time, desk_.now);
    std::memset(static_cast<void*>(&view(service.slot)), rubbish, hooks_->request_bytes);
    slot.state = State::unused;
    --ring.used;
    const Request request = slot; // whoever hears of it may submit the next one
    if (on_done && ring.open)
        on_done(request, service.time);
}

RealTime RingHost::next() const {
    const RealTime done = in_service_.empty() ? RealTime::never() : in_service_.front().done;
    return std::min(done, queued_ > 0 ? ask_again_ : RealTime::never());
}

void RingHost::advance(RealTime now) {
    desk_.now = now;
    while (!in_service_.empty() && in_service_.front().done <= now) {
        const Service service = in_service_.front();
        in_service_.pop_front();
        finish(service);
    }
    give_work();
}

void RingHost::eject(Hook hook, plugin::Fault fault, const std::string& what) {
    const std::string where = what + " at " + std::to_string(desk_.now.since_start().count()) + " ns";
    if (!options_.eject)
        throw Misconduct{where};
    if (policy_.descriptor == &host::fallback_ring_policy())
        throw std::logic_error{"the built-in fallback ring policy failed: " + where};
    report_.ejected = static_cast<std::uint32_t>(fault);
    report_.hook = static_cast<std::uint32_t>(hook);
    report_.ejected_at = desk_.now.since_start().count();
    if (on_eject)
        on_eject(hook, fault);
    replace({&host::fallback_ring_policy(), nullptr, {}}, desk_.now);
}

void RingHost::replace(Policy policy, RealTime now) {
    desk_.now = now;
    install(std::move(policy));
    for (Domain& each : domains_) {
        each.policy = nullptr;
        each.waits_from = submitted_;
        each.overtaken = {};
    }
    std::vector<std::size_t> waiting;
    for (std::uint32_t number = 0; number < rings_.size(); ++number) {
        request_objects_.push_back(std::make_unique<std::byte[]>(request_pitch_ * slots_of_ring));
        if (rings_[number].open)
            enter(rings_[number], number);
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        slots_[i].known = false;
        if (slots_[i].state == State::queued)
            waiting.push_back(i);
    }
    std::ranges::sort(waiting, {}, [&](std::size_t slot) { return slots_[slot].number; });
    for (const std::size_t slot : waiting)
        enqueue(slot);
}

} // namespace bulkhead::sim
