// The trace rings of a simulated machine, one for each pCPU, in the hypervisor's own record format. Records
// past a ring's capacity are lost and counted, never silently.
#pragma once

#include "abi/trace.hpp"

#include <cstdint>
#include <vector>

namespace bulkhead::sim {

class Recorder {
  public:
    struct Ring {
        std::vector<trace::Record> records;
        std::uint64_t lost = 0;
    };

    Recorder(std::size_t pcpus, std::uint32_t groups, std::uint64_t capacity)
        : rings_(pcpus), capacity_{capacity} {
        for (const trace::Description& row : trace::descriptions)
            if ((groups & static_cast<std::uint32_t>(row.group)) != 0)
                wanted_ |= std::uint64_t{1} << static_cast<unsigned>(row.event);
    }
    [[nodiscard]] bool wants(trace::Event event) const {
        return (wanted_ >> static_cast<unsigned>(event) & 1) != 0;
    }
    void add(std::uint16_t pcpu, RealTime now, trace::Event event, std::uint16_t domain, std::uint16_t vcpu,
             std::uint64_t a, std::uint64_t b) {
        Ring& ring = rings_[pcpu];
        if (ring.records.size() >= capacity_) {
            ++ring.lost;
            return;
        }
        ring.records.push_back(
            {now.since_start().count(), static_cast<std::uint16_t>(event), domain, vcpu, pcpu, a, b});
    }
    [[nodiscard]] std::vector<Ring>& rings() { return rings_; }

  private:
    std::vector<Ring> rings_;
    std::uint64_t capacity_;
    std::uint64_t wanted_ = 0;
};
static_assert(trace::descriptions.size() <= 64);

} // namespace bulkhead::sim
