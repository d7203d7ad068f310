// Front ends that break the protocols' rules: their guest writes what it likes to its rings and to its grant
// table, at any time, while the hypervisor reads there, too.
#include "hv/base/machine.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/frame.hpp"
#include "tests/fuzz/whole/fronts.hpp"
#include "tests/fuzz/whole/processor.hpp"
#include "tests/fuzz/whole/producers.hpp"

#include <algorithm>
#include <array>
#include <cstring>

extern "C" {
#include <xen/grant_table.h>
}

namespace bulkhead::hv::whole {

namespace {

// A guest's processor can write to the frame.
bool is_writable(Mfn mfn, DomainId id) {
    const auto* const frame = frame_table().find(mfn);
    return frame != nullptr && frame->belongs_to(Owner{id}) && !frame->partial() &&
           frame->type() == FrameType::writable && frame->type_references() != 0;
}

struct Change {
    DomainId id{};
    Mfn mfn{};
    std::uint32_t word = 0, value = 0;
};
Change change{};

void make_change() {
    if (is_writable(change.mfn, change.id))
        machine::frame_as<std::uint32_t>(change.mfn)[change.word] = change.value;
}

} // namespace

template<class T>
T* FrontEnd::own(std::uint32_t page) const {
    return is_writable(pages_.mfn(page), domain_.id) ? &pages_.as<T>(page) : nullptr;
}
template std::byte* FrontEnd::own(std::uint32_t) const;

std::uint32_t FrontEnd::any_ref() {
    const auto choice = input_.byte();
    return choice >= 240 ? choice * 0x01010101U : FrontPages::ref(choice % pages_.count());
}

// Of a producer's next value.
std::uint32_t FrontEnd::any_index(std::uint32_t now) {
    constexpr std::uint32_t jumps[] = {1,   2,   3,   8,   31,   32,   33,       255,
                                       256, 257, ~0U, ~4U, ~11U, ~15U, 1U << 31, 0};
    return now + input_.of(jumps);
}

blkif_request_segment FrontEnd::any_segment() {
    const auto bits = input_.byte();
    const auto first = bits % 8;
    auto last = std::max(first, bits / 32);
    if (bits % 16 == 15) // behind the page, or before the first one
        last = input_.below(2) == 0 ? 8 + bits / 16 : bits / 32;
    return {any_ref(), static_cast<std::uint8_t>(first), static_cast<std::uint8_t>(last)};
}

std::optional<Call> FrontEnd::misbehave(Place& place) {
    const auto choice = input_.below(16);
    const auto device = choice < 6 ? Device::disk : Device::interface;
    if (choice >= 14 || !number(device))
        return {};
    if (choice < 5)
        break_block_ring();
    else if (choice == 5)
        break_list();
    else if (choice < 10)
        break_tx_ring();
    else
        break_rx_ring();
    if (input_.below(4) == 0)
        break_grant();
    if (input_.below(4) == 0)
        change_later();
    return signal(place, device);
}

blkif_request FrontEnd::any_block_request() {
    blkif_request request{};
    const bool strange = input_.below(4) == 0;
    request.operation = static_cast<std::uint8_t>(input_.below(strange ? 8 : 2));
    request.nr_segments = strange ? input_.byte() : static_cast<std::uint8_t>(1 + input_.below(2));
    request.id = input_.byte();
    request.sector_number = strange ? ~std::uint64_t{0} - input_.byte() : input_.below(100);
    for (std::uint32_t i = 0; i < std::min<std::uint32_t>(request.nr_segments, 4); ++i)
        request.seg[i] = any_segment();
    if (request.operation == BLKIF_OP_INDIRECT) {
        auto& indirect = reinterpret_cast<blkif_request_indirect&>(request);
        indirect.indirect_op = static_cast<std::uint8_t>(input_.below(3));
        indirect.nr_segments = static_cast<std::uint16_t>(input_.byte() * (input_.below(4) == 0 ? 257 : 1));
        indirect.indirect_grefs[0] = FrontPages::ref(pages_.list());
    }
    return request;
}

void FrontEnd::break_block_ring() {
    constexpr std::uint32_t slots = 32;
    auto* const ring = own<blkif_sring>(pages_.block_ring());
    if (ring == nullptr)
        return;
    const auto count = input_.below(4) == 0 ? slots : input_.below(5);
    const auto request = any_block_request();
    for (std::uint32_t i = 0; i < count; ++i)
        ring->ring[(ring->req_prod + i) % slots].req = request;
    if (input_.below(8) == 0)
        ring->rsp_event = any_index(ring->rsp_prod);
    ring->req_prod = input_.below(2) == 0 ? ring->req_prod + count : any_index(ring->req_prod);
}

void FrontEnd::break_list() {
    auto* const list = own<blkif_request_segment>(pages_.list());
    if (list == nullptr)
        return;
    for (std::uint32_t i = 0; i < 8; ++i)
        list[i] = any_segment();
}

void FrontEnd::break_tx_ring() {
    constexpr std::uint32_t slots = 256;
    auto* const ring = own<netif_tx_sring>(pages_.tx_ring());
    if (ring == nullptr)
        return;
    constexpr std::uint16_t flags[] = {0,
                                       0,
                                       NETTXF_more_data,
                                       NETTXF_more_data,
                                       NETTXF_csum_blank,
                                       NETTXF_extra_info,
                                       NETTXF_extra_info | NETTXF_more_data,
                                       0xffff};
    constexpr std::uint16_t sizes[] = {0, 1, 13, 14, 60, 1500, 1518, 1519, 4096, 0xffff};
    std::array<netif_tx_request, 3> pattern{};
    for (auto& request : pattern) {
        request.gref = any_ref();
        request.offset = static_cast<std::uint16_t>(input_.byte() * (input_.below(4) == 0 ? 257 : 1));
        request.flags = input_.of(flags);
        request.id = input_.byte();
        request.size = input_.of(sizes);
    }
    if (input_.below(4) == 0) {
        netif_extra_info extra{};
        extra.type = XEN_NETIF_EXTRA_TYPE_GSO;
        extra.flags = input_.below(8) == 0 ? XEN_NETIF_EXTRA_FLAG_MORE : 0;
        extra.u.gso.size = input_.of(sizes);
        extra.u.gso.type = static_cast<std::uint8_t>(1 + input_.below(3));
        std::memcpy(&pattern[1], &extra, sizeof extra);
    }
    const auto count = input_.below(8) == 0 ? slots : input_.below(24), period = 1 + input_.below(3);
    for (std::uint32_t i = 0; i < count; ++i)
        ring->ring[(ring->req_prod + i) % slots].req = pattern[i % period];
    if (input_.below(8) == 0)
        ring->rsp_event = any_index(ring->rsp_prod);
    ring->req_prod = input_.below(2) == 0 ? ring->req_prod + count : any_index(ring->req_prod);
}

void FrontEnd::break_rx_ring() {
    constexpr std::uint32_t slots = 256;
    auto* const ring = own<netif_rx_sring>(pages_.rx_ring());
    if (ring == nullptr)
        return;
    for (auto i = input_.below(8); i > 0; --i) {
        netif_rx_request request{};
        request.id = input_.byte();
        request.gref = any_ref();
        ring->ring[(ring->req_prod + i - 1) % slots].req = request;
    }
    if (input_.below(8) == 0)
        ring->rsp_event = any_index(ring->rsp_prod);
    ring->req_prod = any_index(ring->req_prod);
}

// One page of its own is lent in another way, to others, or not at all. Or another page.
void FrontEnd::break_grant() {
    constexpr std::uint16_t flags[] = {GTF_permit_access,
                                       GTF_permit_access,
                                       GTF_permit_access,
                                       GTF_permit_access | GTF_readonly,
                                       0,
                                       GTF_accept_transfer,
                                       0xffff};
    const auto page = input_.below(pages_.count());
    auto& entry = machine::frame_as<grant_entry_v1_t>(domain_.grants.frames[0])[FrontPages::ref(page)];
    entry.flags = input_.of(flags);
    entry.domid = input_.below(16) == 0 ? input_.byte() : 0;
    const auto shown = input_.below(8) == 0 ? input_.below(pages_.count()) : page;
    entry.frame = static_cast<std::uint32_t>(pages_.mfn(shown).value() * (input_.below(32) == 0 ? 977 : 1));
}

// Another vCPU of the guest writes to a page while the hypervisor works.
void FrontEnd::change_later() {
    constexpr std::uint32_t distances[] = {1, 1, 4, 16}, words = page_bytes / 4;
    const auto page = pages_.list() + input_.below(4);
    auto* const now = own<std::uint32_t>(page);
    if (now == nullptr)
        return;
    const auto word = input_.below(2) == 0 ? 0 : (16 + input_.byte()) % words;
    change = {domain_.id, pages_.mfn(page), word,
              input_.below(2) == 0 ? any_index(now[word]) : input_.byte() * 0x01010101U};
    test::alarm = make_change;
    const auto distance = input_.byte();
    test::alarm_at = blocks + 1 + distance * input_.of(distances);
    if (word == 0) // or just when it is read
        change_at_read(1 + distance % 8, make_change);
}

} // namespace bulkhead::hv::whole
