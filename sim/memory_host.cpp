#include "sim/memory_host.hpp"

#include "host/fallbacks.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace bulkhead::sim {

namespace {
constexpr int rubbish = 0xdd;
}

MemoryHost::MemoryHost(Policy policy, const Options& options)
    : options_{options}, desk_{options.seed}, free_(options.zones), first_{policy} {
    const std::int64_t each = options.frames.count() / options.zones;
    for (std::uint32_t zone = 0; zone < options.zones; ++zone) {
        const std::int64_t size = zone + 1 < options.zones ? each : options.frames.count() - each * zone;
        zones_.push_back({memctl::ZoneId{static_cast<std::uint16_t>(zone)}, Frames{size}, Frames{size}});
        free_[zone].resize(static_cast<std::size_t>(size));
        std::iota(free_[zone].rbegin(), free_[zone].rend(), static_cast<std::uint32_t>(each * zone));
    }
    install(std::move(policy));
}

MemoryHost::~MemoryHost() = default;

void MemoryHost::install(Policy policy) {
    if (report_.ejected == 0)
        describe(report_, policy);
    if (policy_.retire)
        policy_.retire();
    policy_ = std::move(policy);
    hooks_ = static_cast<const memctl::Hooks*>(policy_.descriptor->hooks);
    desk_.start_arena();
    objects_ = std::make_unique<Slab>(policy_.descriptor->domain_bytes);
    object_ = desk_.allocate(policy_.descriptor->policy_bytes, Slab::line);
    const memctl::Machine machine{zones_.data(), options_.zones, options_.frames};
    call().create(object_, desk_.host(), machine, policy_.values.data());
}

MemoryHost::Entry* MemoryHost::find(DomainId id) const {
    const auto found = std::ranges::find(entries_, id, [](const auto& entry) { return entry->claim.id; });
    return found != entries_.end() ? found->get() : nullptr;
}

MemoryHost::Entry& MemoryHost::known(DomainId id) const {
    Entry* entry = find(id);
    if (entry == nullptr)
        throw std::logic_error{"domain " + std::to_string(id.value()) + " was never admitted"};
    return *entry;
}

// The policy in charge gets its part of a domain.
void MemoryHost::enter(Entry& entry) {
    const Claim& claim = entry.claim;
    entry.policy = reinterpret_cast<memctl::Domain*>(objects_->create());
    hooks_->create_domain(entry.policy);
    entry.policy->id = claim.id;
    entry.policy->least = claim.least;
    entry.policy->most = claim.most;
    for (std::size_t i = 0; i < policy_.descriptor->domain_parameter_count; ++i)
        entry.policy->values[i] = policy_.descriptor == first_.descriptor && i < claim.values.size()
                                      ? claim.values[i]
                                      : policy_.descriptor->domain_parameters[i].initial;
    refresh(entry);
}

void MemoryHost::refresh(Entry& entry) const {
    entry.policy->weight = entry.claim.weight;
    entry.policy->has = Frames{static_cast<std::int64_t>(entry.frames.size())};
    entry.policy->target = entry.target;
    entry.policy->missed = entry.missed;
}

bool MemoryHost::admit(Claim claim, RealTime now) {
    desk_.now = now;
    Frames promised = claim.least;
    for (const auto& entry : entries_)
        promised += entry->claim.least;
    Entry& entry =
        *entries_.emplace_back(std::make_unique<Entry>(Entry{.claim = std::move(claim), .frames = {}}));
    enter(entry);
    const bool admitted = call().admit(object_, *entry.policy);
    if (!admitted || promised > options_.frames)
        leave(entry);
    else
        rebalance(now);
    if (admitted && promised > options_.frames)
        eject(Hook::admit, plugin::Fault::wrong_answer, "admit: the least of all domains do not fit");
    return admitted && promised <= options_.frames;
}

// The policy hears that a domain goes, and the host forgets it.
void MemoryHost::leave(Entry& entry) {
    call().depart(object_, *entry.policy);
    std::memset(static_cast<void*>(entry.policy), rubbish, policy_.descriptor->domain_bytes);
    std::erase_if(entries_, [&](const auto& each) { return each.get() == &entry; });
}

void MemoryHost::depart(DomainId id, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    release(id, Frames{static_cast<std::int64_t>(entry.frames.size())}, now);
    leave(entry);
    rebalance(now);
}

Frames MemoryHost::free() const {
    Frames all{};
    for (const memctl::Zone& zone : zones_)
        all += zone.free;
    return all;
}

std::uint16_t MemoryHost::zone_of(std::uint32_t frame) const {
    const auto each = options_.frames.count() / options_.zones;
    return static_cast<std::uint16_t>(std::min<std::int64_t>(frame / each, options_.zones - 1));
}

// What is wrong with choose's answer; nullptr if nothing is.
const char* MemoryHost::wrong(const memctl::Grant& grant, Frames wanted) const {
    if (grant.zone.value() >= zones_.size())
        return "a zone that does not exist";
    if (grant.frames == Frames{} &&
        (policy_.descriptor->traits & static_cast<std::uint32_t>(memctl::Trait::idles)) == 0)
        return "no frames, though there are free ones";
    if (grant.frames < Frames{} || grant.frames > wanted)
        return "more frames than are wanted, or less than none";
    return grant.frames > zones_[grant.zone.value()].free ? "more frames than are free there" : nullptr;
}

void MemoryHost::take(Entry& entry, const memctl::Grant& grant) {
    auto& from = free_[grant.zone.value()];
    for (std::int64_t i = 0; i < grant.frames.count(); ++i) {
        entry.frames.push_back(from.back());
        from.pop_back();
    }
    zones_[grant.zone.value()].free -= grant.frames;
}

Frames MemoryHost::populate(DomainId id, Frames wanted, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    Frames given{};
    wanted = std::min(wanted, entry.target - has(id));
    while (given < wanted && free() > Frames{}) {
        refresh(entry);
        const memctl::Grant grant = call().choose(object_, *entry.policy, wanted - given);
        if (const char* what = wrong(grant, wanted - given); what != nullptr) {
            eject(Hook::choose, plugin::Fault::wrong_answer, std::string{"choose: "} + what);
            wanted = std::min(wanted, given + entry.target - has(id));
            continue;
        }
        if (grant.frames == Frames{}) // of one that may
            break;
        take(entry, grant);
        given += grant.frames;
    }
    return std::max(given, Frames{});
}

Frames MemoryHost::release(DomainId id, Frames count, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    const Frames taken = std::min(count, has(id));
    for (std::int64_t i = 0; i < taken.count(); ++i) {
        const std::uint32_t frame = entry.frames.back();
        entry.frames.pop_back();
        free_[zone_of(frame)].push_back(frame);
        zones_[zone_of(frame)].free += Frames{1};
    }
    note_excess(entry);
    return taken;
}

void MemoryHost::note_excess(Entry& entry) const {
    const bool over = Frames{static_cast<std::int64_t>(entry.frames.size())} > entry.target;
    entry.over_since = !over                                   ? RealTime::never()
                       : entry.over_since == RealTime::never() ? desk_.now
                                                               : entry.over_since;
}

void MemoryHost::missed(DomainId id, std::uint64_t times) { known(id).missed += times; }

void MemoryHost::sample(DomainId id, Frames looked_at, Frames used, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    refresh(entry);
    call().sample(object_, *entry.policy, looked_at, used, now);
}

// What is wrong with the targets; nullptr if nothing is.
const char* MemoryHost::wrong(std::span<const memctl::Row> rows) const {
    Frames sum{};
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const Entry& entry = *entries_[i];
        if (rows[i].domain != entry.policy)
            return "a row of another domain";
        if (rows[i].target < entry.claim.least || rows[i].target > entry.claim.most)
            return "a target outside of what the domain can have";
        sum += rows[i].target;
    }
    return sum > options_.frames ? "more frames than the machine has" : nullptr;
}

void MemoryHost::set_targets(std::span<const memctl::Row> rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
        Entry& entry = *entries_[i];
        entry.missed = 0;
        if (entry.target != rows[i].target && on_target)
            on_target(entry.claim.id, rows[i].target);
        entry.target = rows[i].target;
        note_excess(entry);
    }
}

void MemoryHost::rebalance(RealTime now) {
    desk_.now = now;
    std::vector<memctl::Row> rows;
    for (const auto& entry : entries_) {
        refresh(*entry);
        rows.push_back({entry->policy, entry->target});
    }
    if (rows.empty())
        return;
    call().rebalance(object_, rows.data(), static_cast<std::uint32_t>(rows.size()), now);
    if (const char* what = wrong(rows); what != nullptr)
        return eject(Hook::rebalance, plugin::Fault::wrong_answer, std::string{"rebalance: "} + what);
    set_targets(rows);
}

Frames MemoryHost::to_reclaim(DomainId id, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    const Frames over = has(id) - entry.target;
    if (over <= Frames{})
        return {};
    refresh(entry);
    const Frames answer = call().reclaim(object_, *entry.policy, over, now - entry.over_since);
    if (answer >= Frames{} && answer <= over)
        return answer;
    eject(Hook::reclaim, plugin::Fault::wrong_answer,
          "reclaim: more frames than the domain is over its target");
    return {};
}

void MemoryHost::set_weight(DomainId id, std::uint32_t weight, RealTime now) {
    desk_.now = now;
    Entry& entry = known(id);
    entry.claim.weight = weight;
    refresh(entry);
    call().tune(object_, *entry.policy);
    rebalance(now);
}

void MemoryHost::eject(Hook hook, plugin::Fault fault, const std::string& what) {
    const std::string where = what + " at " + std::to_string(desk_.now.since_start().count()) + " ns";
    if (!options_.eject)
        throw Misconduct{where};
    if (policy_.descriptor == &host::fallback_memory_policy())
        throw std::logic_error{"the built-in fallback memory policy failed: " + where};
    report_.ejected = static_cast<std::uint32_t>(fault);
    report_.hook = static_cast<std::uint32_t>(hook);
    report_.ejected_at = desk_.now.since_start().count();
    if (on_eject)
        on_eject(hook, fault);
    replace({&host::fallback_memory_policy(), nullptr, {}}, desk_.now);
}

void MemoryHost::replace(Policy policy, RealTime now) {
    desk_.now = now;
    install(std::move(policy));
    for (const auto& entry : entries_) {
        enter(*entry);
        static_cast<void>(call().admit(object_, *entry->policy));
    }
    rebalance(now);
}

} // namespace bulkhead::sim
