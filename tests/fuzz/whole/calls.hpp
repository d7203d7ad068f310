// Hypercalls of guests, right and wrong ones, as an input chooses them: the same for all fuzzers of the whole
// hypervisor, which differ in how often they take each kind.
#pragma once

#include "hv/calls/hypercall.hpp"
#include "hv/domain/domain.hpp"
#include "tests/fuzz/input.hpp"

#include <array>
#include <cstring>

namespace bulkhead::hv::whole {

// How often each kind of call is made; the sum is at most 255.
struct Mix {
    std::uint8_t tables, memory, descriptors, grants, events, time, vcpus, lists;
};

// What the entry of a list holds as its result before it was carried out.
inline constexpr std::uint64_t no_result = 0x5a5a'5a5a'5a5a'5a5a;

struct Call {
    std::uint64_t number;
    std::array<std::uint64_t, 6> arguments;
};

// A guest's own memory for what a call points to: each vCPU has its piece of the arena.
class Place {
  public:
    explicit Place(const Vcpu& vcpu);
    template<class T>
    std::uint64_t put(const T& value) {
        const auto at = room(sizeof value);
        std::memcpy(reinterpret_cast<void*>(at), &value, sizeof value);
        return at;
    }
    // Zeroed.
    std::uint64_t room(std::uint64_t bytes);
    template<class T>
    T* array(std::uint64_t count) {
        return reinterpret_cast<T*>(room(count * sizeof(T)));
    }

  private:
    std::uint64_t next_, end_;
};

class Calls {
  public:
    Calls(test::Input& input, const Mix& mix) : input_{input}, mix_{mix} {}
    // One that `vcpu` makes now; lists contain such calls. A call of domain 0 never lets it wait.
    [[nodiscard]] Call any(Vcpu& vcpu, Place& place, bool within_list = false);
    // The guest raises an exception, at code of its choice.
    void raise(Vcpu& vcpu);
    // The guest writes to its own pages, where its page tables let it.
    void scribble(Vcpu& vcpu);

    [[nodiscard]] std::uint16_t any_domain(); // its id, mostly one that exists
    [[nodiscard]] Mfn any_frame(const Domain& domain);

  private:
    [[nodiscard]] Call tables(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call extended(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call memory(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call descriptors(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call grants(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call events(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call time(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call vcpus(Vcpu& vcpu, Place& place);
    [[nodiscard]] Call timers_of_vcpus(Vcpu& vcpu, Place& place, std::uint64_t whose);
    [[nodiscard]] Call list(Vcpu& vcpu, Place& place);

    [[nodiscard]] std::uint64_t any_entry(const Domain& domain);
    [[nodiscard]] std::uint64_t any_index();
    [[nodiscard]] std::uint64_t any_address();
    [[nodiscard]] std::uint64_t any_instant(); // of the guest's clock
    [[nodiscard]] std::uint64_t any_place(const Place& place);
    void lend(Domain& lender);

    test::Input& input_;
    const Mix& mix_;
};

} // namespace bulkhead::hv::whole
