#include "tests/fuzz/whole/net_front.hpp"

#include "tests/fuzz/whole/fronts.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::hv::whole {

namespace {
constexpr std::uint32_t slots = 256, header_bytes = 14, largest_packet = 1518;
}

void NetFront::initialise(RING_IDX base) {
    std::memset(&tx(), 0, page_bytes);
    std::memset(&rx(), 0, page_bytes);
    tx().req_prod = tx().rsp_prod = tx_produced_ = tx_consumed_ = base;
    rx().req_prod = rx().rsp_prod = rx_produced_ = rx_consumed_ = base;
    tx().req_event = tx().rsp_event = rx().req_event = rx().rsp_event = base + 1;
    sent_.clear();
    offered_.clear();
}

std::string NetFront::disconnected() {
    is_connected_ = false;
    std::string found;
    const auto note = [&](std::string problem) {
        if (!problem.empty())
            found = std::move(problem);
    };
    for (const auto& each : sent_)
        note(give_back(each.page));
    for (const auto& each : offered_)
        note(give_back(each.page));
    sent_.clear();
    offered_.clear();
    return found;
}

bool NetFront::send(test::Input& input) {
    const auto before = tx_produced_;
    for (auto i = 1 + input.below(4); i > 0; --i)
        send_one(input);
    tx().req_prod = tx_produced_;
    return tx_produced_ - tx().req_event < tx_produced_ - before;
}

// A packet in one page, in pieces one after another.
void NetFront::send_one(test::Input& input) {
    const auto page = pages_.find_free();
    const auto pieces = 1 + input.below(4);
    if (page == 0 || tx_produced_ - tx_consumed_ > slots - pieces)
        return;
    const auto all = std::max(header_bytes + pieces, std::min(6U * input.byte(), largest_packet));
    std::array<std::uint8_t, largest_packet> bytes;
    bytes.fill(static_cast<std::uint8_t>(next_id_));
    const auto to = input.byte();
    const auto target = to < 32 ? std::array<std::uint8_t, 6>{255, 255, 255, 255, 255, 255}
                                : address_of_interface(to % (interfaces + 1));
    std::ranges::copy(target, bytes.begin());
    std::ranges::copy(address_of_interface(input.below(interfaces)), bytes.begin() + 6);
    pages_.fill(page, 0, bytes.data(), all);
    pages_.lend(domain_, page);
    auto& sent = sent_.emplace_back(page, std::list<std::uint16_t>{});
    const auto rest = 1U; // of every piece but the first
    for (std::uint32_t i = 0; i < pieces; ++i) {
        const auto first = all - (pieces - 1) * rest;
        netif_tx_request request{};
        request.gref = FrontPages::ref(page);
        request.offset = static_cast<std::uint16_t>(i == 0 ? 0 : first + (i - 1) * rest);
        request.size = static_cast<std::uint16_t>(i == 0 ? all : rest);
        request.flags = i + 1 < pieces ? NETTXF_more_data : 0;
        request.id = next_id_++;
        sent.ids.push_back(request.id);
        tx().ring[tx_produced_++ % slots].req = request;
    }
}

bool NetFront::offer(test::Input& input) {
    const auto before = rx_produced_;
    for (auto i = 1 + input.below(4); i > 0 && rx_produced_ - rx_consumed_ < slots; --i) {
        const auto page = pages_.find_free();
        if (page == 0)
            break;
        pages_.lend(domain_, page, 0, page_bytes);
        netif_rx_request request{};
        request.id = next_id_++;
        request.gref = FrontPages::ref(page);
        rx().ring[rx_produced_++ % slots].req = request;
        offered_.push_back({request.id, page});
    }
    rx().req_prod = rx_produced_;
    return rx_produced_ - rx().req_event < rx_produced_ - before;
}

std::string NetFront::hear() {
    if (!is_connected_)
        return {};
    while (tx_consumed_ != tx().rsp_prod)
        if (auto problem = hear_sent(tx().ring[tx_consumed_++ % slots].rsp); !problem.empty())
            return problem;
    tx().rsp_event = tx_consumed_ + 1;
    while (rx_consumed_ != rx().rsp_prod)
        if (auto problem = hear_packet(); !problem.empty())
            return problem;
    rx().rsp_event = rx_consumed_ + 1;
    return {};
}

std::string NetFront::hear_sent(const netif_tx_response& response) {
    if (response.status != NETIF_RSP_OKAY)
        return "a packet that was sent has the status " + std::to_string(response.status);
    for (auto each = sent_.begin(); each != sent_.end(); ++each) {
        if (each->ids.remove(response.id) == 0)
            continue;
        if (!each->ids.empty())
            return {};
        auto problem = give_back(each->page);
        sent_.erase(each);
        return problem;
    }
    return "a tx request is answered twice, or was not asked for";
}

// All of a packet's responses, which are seen at once.
std::string NetFront::hear_packet() {
    auto least = header_bytes;
    for (bool is_first = true, more = true; more; is_first = false, least = 1) {
        if (rx_consumed_ == rx().rsp_prod)
            return "a packet is shown before its last page";
        const auto response = rx().ring[rx_consumed_++ % slots].rsp;
        more = (response.flags & NETRXF_more_data) != 0;
        if (auto problem = hear_received(response, least); !problem.empty())
            return problem;
        if ((response.flags & NETRXF_extra_info) == 0)
            continue;
        if (!is_first)
            return "extra information comes after a page that is not a packet's first";
        if (auto problem = hear_extra(); !problem.empty())
            return problem;
    }
    return {};
}

std::string NetFront::hear_extra() {
    if (rx_consumed_ == rx().rsp_prod || offered_.empty())
        return "a packet is shown before its extra information";
    netif_extra_info extra;
    std::memcpy(&extra, &rx().ring[rx_consumed_++ % slots], sizeof extra);
    const auto page = offered_.front().page;
    offered_.pop_front();
    if (extra.type != XEN_NETIF_EXTRA_TYPE_GSO || extra.flags != 0 || extra.u.gso.size == 0)
        return "extra information is not that of segments";
    return give_back(page);
}

std::string NetFront::hear_received(const netif_rx_response& response, std::uint32_t least) {
    if (offered_.empty() || offered_.front().id != response.id)
        return "a page for packets is answered twice, not in its turn, or was not offered";
    const auto page = offered_.front().page;
    offered_.pop_front();
    if (response.offset != 0 || response.status < static_cast<int>(least) ||
        response.status > static_cast<int>(page_bytes))
        return "a packet was received with the status " + std::to_string(response.status);
    return give_back(page);
}

std::string NetFront::give_back(std::uint32_t page) {
    return pages_.take_back(domain_, page) ? "" : "a packet is over, but its page is still in use";
}

} // namespace bulkhead::hv::whole
