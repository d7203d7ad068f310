#include "tests/fuzz/whole/block_front.hpp"

#include "hv/io/block_ring.hpp"
#include "hv/io/disk.hpp"
#include "ringctl/contract.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv::whole {

namespace {
constexpr std::uint32_t slots = 32, sector_bytes = ringctl::sector_bytes, sectors_per_page = 8;
// A read or a write; a barrier carries bytes, too, but not by a list.
bool may_be_indirect(std::uint8_t operation) {
    return operation == BLKIF_OP_READ || operation == BLKIF_OP_WRITE;
}
std::uint32_t sectors_of(const blkif_request_segment& segment) {
    return segment.last_sect - segment.first_sect + 1U;
}
} // namespace

const VirtualDisk* BlockFront::find(std::uint32_t number) { return find_disk(number); }

void BlockFront::initialise(RING_IDX base) {
    std::memset(&shared(), 0, page_bytes);
    shared().req_prod = shared().rsp_prod = produced_ = consumed_ = base;
    shared().req_event = shared().rsp_event = base + 1;
    asked_.clear();
    list_is_used_ = false;
}

std::string BlockFront::disconnected() {
    disk_ = nullptr;
    std::string found;
    for (const auto& each : asked_)
        if (auto problem = give_back(each); !problem.empty())
            found = std::move(problem);
    asked_.clear();
    return found;
}

bool BlockFront::ask(test::Input& input) {
    const auto before = produced_;
    for (auto i = 1 + input.below(4); i > 0 && produced_ - consumed_ < slots; --i)
        ask_one(input);
    shared().req_prod = produced_;
    return produced_ - shared().req_event < produced_ - before;
}

void BlockFront::ask_one(test::Input& input) {
    constexpr std::uint8_t operations[] = {BLKIF_OP_READ,           BLKIF_OP_READ,          BLKIF_OP_WRITE,
                                           BLKIF_OP_WRITE,          BLKIF_OP_WRITE_BARRIER, BLKIF_OP_DISCARD,
                                           BLKIF_OP_FLUSH_DISKCACHE};
    Asked asked{.id = next_id_++ * 0x100000001,
                .operation = input.of(operations),
                .sector = 0,
                .sectors = 0,
                .indirect = !list_is_used_ && input.below(4) == 0,
                .alone = true,
                .pages = {},
                .segments = {}};
    asked.indirect = asked.indirect && may_be_indirect(asked.operation);
    if (asked.operation == BLKIF_OP_DISCARD)
        choose_sectors(input, asked);
    else if (asked.operation != BLKIF_OP_FLUSH_DISKCACHE)
        choose_segments(input, asked);
    if (may_be_indirect(asked.operation) && asked.pages.empty())
        return; // no page is free
    blkif_request request{};
    request.operation = asked.operation;
    request.nr_segments = static_cast<std::uint8_t>(asked.segments.size());
    request.id = asked.id;
    request.sector_number = asked.sector;
    if (asked.operation == BLKIF_OP_DISCARD)
        std::memcpy(request.seg, &asked.sectors, sizeof asked.sectors);
    std::copy_n(asked.segments.begin(), asked.indirect ? 0 : asked.segments.size(), request.seg);
    auto& slot = shared().ring[produced_ % slots].req;
    if (asked.indirect)
        publish_indirect(asked);
    else
        slot = request;
    ++produced_;
    asked_.push_back(std::move(asked));
}

void BlockFront::choose_segments(test::Input& input, Asked& asked) {
    const auto count = 1 + input.below(asked.indirect ? 14 : BLKIF_MAX_SEGMENTS_PER_REQUEST);
    for (std::uint32_t i = 0; i < count; ++i) {
        const auto page = pages_.find_free();
        if (page == 0)
            break;
        const auto bits = input.byte();
        const auto first = static_cast<std::uint8_t>(bits % sectors_per_page);
        const auto last = static_cast<std::uint8_t>(std::min(first + bits / 32U, sectors_per_page - 1));
        const auto end = (last + 1U) * sector_bytes;
        const bool is_read = asked.operation == BLKIF_OP_READ;
        pages_.lend(domain_, page, is_read ? first * sector_bytes : 0, is_read ? end : 0);
        asked.pages.push_back(page);
        asked.segments.push_back({FrontPages::ref(page), first, last});
        asked.sectors += last - first + 1U;
    }
    const auto room = disk_->sectors - std::min(asked.sectors, disk_->sectors);
    asked.sector = std::min<std::uint64_t>(input.byte(), room);
    if (asked.operation != BLKIF_OP_READ)
        fill(asked);
    find_others(asked);
}

void BlockFront::choose_sectors(test::Input& input, Asked& asked) {
    asked.sectors = 1 + input.below(64);
    const auto room = disk_->sectors - std::min(asked.sectors, disk_->sectors);
    asked.sector = std::min<std::uint64_t>(input.byte(), room);
    find_others(asked);
}

// What they find depends on the order.
void BlockFront::find_others(Asked& asked) {
    for (auto& each : asked_)
        if ((each.operation != BLKIF_OP_READ || asked.operation != BLKIF_OP_READ) &&
            each.sector < asked.sector + asked.sectors && asked.sector < each.sector + each.sectors)
            each.alone = asked.alone = false;
}

// Every sector has bytes of its own.
void BlockFront::fill(const Asked& asked) {
    for (std::size_t i = 0; i < asked.pages.size(); ++i)
        for (std::uint32_t sector = asked.segments[i].first_sect; sector <= asked.segments[i].last_sect;
             ++sector) {
            std::array<std::uint64_t, sector_bytes / 8> words;
            words.fill(asked.id << 16 | i << 8 | sector);
            pages_.fill(asked.pages[i], sector * sector_bytes, words.data(), sector_bytes);
        }
}

void BlockFront::publish_indirect(const Asked& asked) {
    list_is_used_ = true;
    pages_.fill(pages_.list(), 0, asked.segments.data(),
                static_cast<std::uint32_t>(asked.segments.size() * sizeof asked.segments[0]));
    pages_.lend(domain_, pages_.list());
    blkif_request_indirect indirect{};
    indirect.operation = BLKIF_OP_INDIRECT;
    indirect.indirect_op = asked.operation;
    indirect.nr_segments = static_cast<std::uint16_t>(asked.segments.size());
    indirect.id = asked.id;
    indirect.sector_number = asked.sector;
    indirect.indirect_grefs[0] = FrontPages::ref(pages_.list());
    std::memcpy(&shared().ring[produced_ % slots].req, &indirect, sizeof indirect);
}

std::string BlockFront::hear() {
    if (disk_ == nullptr)
        return {};
    while (consumed_ != shared().rsp_prod) {
        const auto response = shared().ring[consumed_++ % slots].rsp;
        const auto asked = std::ranges::find(asked_, response.id, &Asked::id);
        if (asked == asked_.end())
            return "a block request is answered twice, or was not asked for";
        auto problem = judge(*asked, response);
        if (auto kept = give_back(*asked); problem.empty())
            problem = std::move(kept);
        asked_.erase(asked);
        if (!problem.empty())
            return problem;
    }
    shared().rsp_event = consumed_ + 1;
    return {};
}

std::string BlockFront::judge(const Asked& asked, const blkif_response& response) {
    const bool may_not =
        asked.operation != BLKIF_OP_READ && asked.operation != BLKIF_OP_FLUSH_DISKCACHE && disk_->read_only;
    if (response.operation != asked.operation)
        return "the answer to a block request names another operation";
    if (response.status != (may_not ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY))
        return "a block request has the status " + std::to_string(response.status);
    if (!may_not && asked.alone && !is_same_on_disk(asked))
        return "a block request has moved other bytes";
    return {};
}

bool BlockFront::is_same_on_disk(const Asked& asked) const {
    const auto* on_disk = disk_->contents + asked.sector * sector_bytes;
    if (asked.operation == BLKIF_OP_DISCARD)
        return std::all_of(on_disk,
                           on_disk + std::min<std::uint64_t>(asked.sectors, most_discarded) * sector_bytes,
                           [](std::byte each) { return each == std::byte{}; });
    for (std::size_t i = 0; i < asked.pages.size(); ++i) {
        const auto& segment = asked.segments[i];
        const auto bytes = std::size_t{sectors_of(segment)} * sector_bytes;
        const auto* const in_page =
            &pages_.as<std::byte>(asked.pages[i]) + segment.first_sect * std::size_t{sector_bytes};
        if (std::memcmp(on_disk, in_page, bytes) != 0)
            return false;
        on_disk += bytes;
    }
    return true;
}

std::string BlockFront::give_back(const Asked& asked) {
    bool all_unused = true;
    for (const auto page : asked.pages)
        all_unused &= pages_.take_back(domain_, page);
    if (asked.indirect) {
        all_unused &= pages_.take_back(domain_, pages_.list());
        list_is_used_ = false;
    }
    return all_unused ? "" : "a block request is over, but its page is still in use";
}

} // namespace bulkhead::hv::whole
