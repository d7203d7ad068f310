// The audits of frames and grants for a fuzzer that judges after every step: what a step has not changed is
// not looked at again. Counts of holders are kept from one judgement to the next, for each frame and type.
// The invariants are those of hv/mm/audit.cpp and hv/grant/audit.cpp, which remain the judges of the whole.
#pragma once

#include "hv/domain/domain.hpp"
#include "hv/mm/holders.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace bulkhead::hv::test {

// Of a machine with one zone, as small as a fuzzer's.
class ChangedFrames {
  public:
    ChangedFrames();
    // What is wrong now; empty if nothing is. All frames count as changed the first time.
    [[nodiscard]] std::string judge();

  private:
    static constexpr std::size_t types = FrameCounts::type_mask + 1;
    struct Held {
        std::vector<Holding> holdings; // of one frame's state and entries, or of vCPUs and rings
        std::vector<std::uint32_t> links;
    };
    struct Seen {
        std::array<std::uint64_t, 4> state{~0ULL, ~0ULL, ~0ULL, ~0ULL}; // the bytes of its Frame
        std::vector<std::uint64_t> words;                               // of a table
        FrameType type = FrameType::none;
        Held held;
        // What all others hold of it.
        std::int64_t references = 0, links = 0;
        std::array<std::int64_t, types> typed{};
    };
    [[nodiscard]] bool has_changed(std::uint32_t number) const;
    [[nodiscard]] bool depends_on_new_type(const Held& held) const;
    void count(const Held& held, std::int64_t step);
    void look_at(std::uint32_t number);
    void look_at_others();
    void judge_counts();
    void judge_lists();
    std::uint64_t judge_list(const FrameList& list, Owner owner);
    void require(bool good, std::uint64_t frame, const char* what) {
        if (!good) [[unlikely]]
            note(frame, what);
    }
    void note(std::uint64_t frame, const char* what);

    std::vector<Seen> seen_;
    std::vector<bool> new_type_;
    Held others_;
    std::uint64_t violations_ = 0; // that the hypervisor's own checks of a frame found and logged
    std::string problem_;
};

// Whether audit_grants() could find anything else than at the last question: a count of uses or a map record
// has changed, or a domain came or went.
class ChangedGrants {
  public:
    [[nodiscard]] bool is_due();

  private:
    std::vector<std::uint64_t> seen_, now_;
};

} // namespace bulkhead::hv::test
