// A block front end that keeps the protocol's rules, and holds its back end to them.
#pragma once

#include "tests/fuzz/input.hpp"
#include "tests/fuzz/whole/front_pages.hpp"

#include <list>

extern "C" {
#include <xen/io/blkif.h>
}

namespace bulkhead::hv {
struct VirtualDisk;
}

namespace bulkhead::hv::whole {

class BlockFront {
  public:
    BlockFront(const Domain& domain, FrontPages& pages) : domain_{domain}, pages_{pages} {}

    // An empty ring, before domain 0 connects it.
    void initialise(RING_IDX base);
    void connected(std::uint32_t disk) { disk_ = find(disk); }
    // Domain 0 has begun to disconnect it: there may be no answers any more. And it is done: all is the
    // guest's again.
    void closing() { disk_ = nullptr; }
    [[nodiscard]] std::string disconnected();
    [[nodiscard]] bool is_connected() const { return disk_ != nullptr; }
    // Puts some requests into the ring. True: the back end wishes to be told.
    [[nodiscard]] bool ask(test::Input& input);
    // Takes the answers. Empty if they are right.
    [[nodiscard]] std::string hear();
    [[nodiscard]] bool has_all_answers() const { return asked_.empty(); }

  private:
    struct Asked {
        std::uint64_t id;
        std::uint8_t operation;
        std::uint64_t sector, sectors;
        bool indirect;
        bool alone; // nothing else that is in flight reads or writes the same sectors, unless both read
        std::vector<std::uint32_t> pages;
        std::vector<blkif_request_segment> segments;
    };
    [[nodiscard]] static const VirtualDisk* find(std::uint32_t number);
    void ask_one(test::Input& input);
    void choose_segments(test::Input& input, Asked& asked);
    void choose_sectors(test::Input& input, Asked& asked);
    void find_others(Asked& asked);
    void fill(const Asked& asked);
    void publish_indirect(const Asked& asked);
    [[nodiscard]] std::string judge(const Asked& asked, const blkif_response& response);
    [[nodiscard]] bool is_same_on_disk(const Asked& asked) const;
    [[nodiscard]] std::string give_back(const Asked& asked);
    [[nodiscard]] blkif_sring& shared() const { return pages_.as<blkif_sring>(pages_.block_ring()); }

    const Domain& domain_;
    FrontPages& pages_;
    const VirtualDisk* disk_ = nullptr; // while it is connected
    RING_IDX produced_ = 0, consumed_ = 0;
    std::uint64_t next_id_ = 1;
    bool list_is_used_ = false;
    std::list<Asked> asked_;
};

} // namespace bulkhead::hv::whole
