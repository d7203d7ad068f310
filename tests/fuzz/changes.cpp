#include "tests/fuzz/changes.hpp"

#include "hv/domain/holders.hpp"
#include "hv/grant/active.hpp"
#include "hv/grant/map.hpp"
#include "hv/mm/audit_checks.hpp"
#include "hv/mm/types.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace bulkhead::hv::test {

namespace {

std::array<std::uint64_t, 4> state_of(const Frame& frame) {
    std::array<std::uint64_t, 4> state{};
    static_assert(sizeof state == sizeof frame);
    std::memcpy(state.data(), reinterpret_cast<const std::byte*>(&frame), sizeof frame);
    return state;
}

std::span<const std::uint64_t> held_words(const Frame& frame) {
    return {machine::frame_as<const std::uint64_t>(frame_table().number(frame)), held_entries(frame)};
}

} // namespace

ChangedFrames::ChangedFrames() : seen_(frame_table().size()), new_type_(frame_table().size()) {}

bool ChangedFrames::has_changed(std::uint32_t number) const {
    const auto* frame = frame_table().find(Mfn{number});
    if (frame == nullptr)
        return false;
    const auto& seen = seen_[number];
    if (state_of(*frame) != seen.state)
        return true;
    const auto words = held_words(*frame);
    return words.size() != seen.words.size() ||
           (!words.empty() && std::memcmp(words.data(), seen.words.data(), words.size_bytes()) != 0);
}

bool ChangedFrames::depends_on_new_type(const Held& held) const {
    return std::ranges::any_of(held.holdings, [this](const Holding& each) {
        return each.frame.value() < new_type_.size() && new_type_[each.frame.value()];
    });
}

void ChangedFrames::note(std::uint64_t frame, const char* what) {
    if (problem_.empty())
        problem_ = "frame " + std::to_string(frame) + ": " + what;
}

void ChangedFrames::count(const Held& held, std::int64_t step) {
    for (const auto& each : held.holdings) {
        const auto number = each.frame.value();
        if (number >= seen_.size())
            continue; // its holder was found guilty
        seen_[number].references += step;
        if (each.type != FrameType::none)
            seen_[number].typed[static_cast<std::size_t>(each.type)] += step;
    }
    for (const auto each : held.links)
        seen_[each].links -= step;
}

void ChangedFrames::look_at(std::uint32_t number) {
    auto& seen = seen_[number];
    const auto& frame = frame_table().at(Mfn{number});
    count(seen.held, -1);
    seen.links -= static_cast<std::int64_t>(seen.held.links.size());
    seen.held.holdings.clear();
    seen.held.links.clear();
    const auto entries = held_entries(frame);
    Violations violations{Report::print};
    check_frame(violations, frame, Mfn{number});
    if (!frame.owner.load().is_nobody()) {
        const auto hold = [&](Holding holding) {
            require(find_owned(holding.frame) != nullptr, holding.frame.value(),
                    "referred to, but no allocated RAM");
            seen.held.holdings.push_back(holding);
        };
        check_entries(violations, frame, Mfn{number}, 0, entries);
        visit_own_references(frame, hold);
        visit_entry_references(frame, 0, entries, hold);
        visit_links(frame, 0, entries, [&](const Frame& child) {
            require(frame.linear_links > 0 && child.linear_links < 0, number,
                    "a linear entry that is not counted, or of a table that one names");
            seen.held.links.push_back(static_cast<std::uint32_t>(frame_table().number(child).value()));
        });
    }
    violations_ += violations.count();
    count(seen.held, 1);
    seen.links += static_cast<std::int64_t>(seen.held.links.size());
    seen.state = state_of(frame);
    const auto words = held_words(frame);
    seen.words.assign(words.begin(), words.end());
    seen.type = frame.type();
}

void ChangedFrames::look_at_others() {
    count(others_, -1);
    others_.holdings.clear();
    for_each_domain([&](const Domain& domain) {
        visit_external_references(domain, [&](Holding holding) {
            require(find_owned(holding.frame) != nullptr, holding.frame.value(),
                    "referred to, but no allocated RAM");
            others_.holdings.push_back(holding);
        });
    });
    count(others_, 1);
}

void ChangedFrames::judge_counts() {
    for (std::uint32_t i = 0; i < seen_.size(); ++i) {
        const auto* const frame = frame_table().find(Mfn{i});
        if (frame == nullptr)
            continue;
        const auto& seen = seen_[i];
        require(seen.references == frame->references(), i, "references and holders differ");
        require(seen.typed[static_cast<std::size_t>(frame->type())] == frame->type_references(), i,
                "type references and typed holders differ");
        for (std::size_t type = 0; type < types; ++type)
            require(seen.typed[type] == 0 || static_cast<FrameType>(type) == frame->type(), i,
                    "a holder relies on a type it hasn't got");
        require(seen.links == links_of(*frame), i, "linear entries and their count differ");
    }
}

// How many frames the list really has.
std::uint64_t ChangedFrames::judge_list(const FrameList& list, Owner owner) {
    std::uint64_t length = 0;
    std::uint32_t previous = 0;
    for (auto i = list.first; i != 0 && length <= seen_.size(); ++length) {
        const auto* frame = frame_table().find(Mfn{i});
        const bool good =
            frame != nullptr && frame->owner == owner && !frame->shared && frame->previous == previous;
        require(good, i, "in a list where it doesn't belong");
        if (!good)
            break;
        previous = std::exchange(i, frame->next);
    }
    require(length == list.count && list.last == previous, list.last, "a list miscounts its frames");
    return length;
}

void ChangedFrames::judge_lists() {
    std::uint64_t listed = 0, promised = 0, owned = 0, unowned = 0;
    for_each_domain([&](const Domain& domain) {
        const auto& memory = domain.memory;
        listed += judge_list(memory.frames, Owner{domain.id});
        promised += set_aside(memory);
        require(memory.frames.count <= memory.max_frames || is_ending(memory), memory.frames.first,
                "a domain beyond its quota");
    });
    const auto free = judge_list(frame_table().free_list(), Owner::nobody());
    for (std::uint32_t i = 0; i < seen_.size(); ++i)
        if (const auto* frame = frame_table().find(Mfn{i}); frame != nullptr) {
            const auto owner = frame->owner.load(std::memory_order_relaxed);
            owned += owner.is_domain() && !frame->shared ? 1 : 0;
            unowned += owner.is_nobody() ? 1 : 0;
        }
    require(listed == owned, 0, "owned frames and the lists of domains differ");
    require(unowned == free, 0, "frames without an owner and the free list differ");
    require(promised == frame_table().promised_frames() && promised <= free, 0,
            "frames set aside and the promises to domains differ");
}

std::string ChangedFrames::judge() {
    problem_.clear();
    violations_ = 0;
    std::vector<std::uint32_t> changed;
    bool any_new_type = false;
    for (std::uint32_t i = 0; i < seen_.size(); ++i) {
        new_type_[i] = false;
        if (!has_changed(i))
            continue;
        changed.push_back(i);
        new_type_[i] = frame_table().at(Mfn{i}).type() != seen_[i].type;
        any_new_type = any_new_type || new_type_[i];
    }
    for (std::uint32_t i = 0; any_new_type && i < seen_.size(); ++i)
        if (!std::ranges::binary_search(changed, i) && depends_on_new_type(seen_[i].held))
            look_at(i);
    for (const auto each : changed)
        look_at(each);
    look_at_others();
    judge_counts();
    judge_lists();
    if (problem_.empty() && violations_ != 0)
        problem_ = "the checks of a frame or its entries found violations";
    return problem_;
}

bool ChangedGrants::is_due() {
    now_.clear();
    const auto add_page = [this](const void* page) {
        const auto* words = static_cast<const std::uint64_t*>(page);
        now_.insert(now_.end(), words, words + page_bytes / sizeof *words);
    };
    for_each_domain([&](const Domain& domain) {
        const auto& grants = domain.grants;
        for (const std::uint64_t each :
             {std::uint64_t{domain.id.value()}, std::uint64_t{grants.frame_count}, grants.uses,
              std::uint64_t{grants.mappings}, std::uint64_t{grants.maptrack_free},
              std::uint64_t{grants.maptrack_pages}})
            now_.push_back(each);
        for (std::uint32_t i = 0; i < 2 * grants.frame_count; ++i)
            add_page(grants.active[i]);
        for (std::uint32_t i = 0; i < grants.maptrack_pages; ++i)
            add_page(grants.maptrack[i]);
    });
    if (now_ == seen_)
        return false;
    std::swap(now_, seen_);
    return true;
}

} // namespace bulkhead::hv::test
