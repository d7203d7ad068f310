// The order in which packets that have arrived at a port are handed to its station: those of all senders in
// turn, those of one sender as they came. So a flood waits behind itself. Freestanding, deterministic, the
// same source in every world.
//
// Paper: S. J. Golestani, "A self-clocked fair queueing scheme for broadband applications", INFOCOM 1994. A
// packet counts once for each that it stands for, as the station's work is by packet. It moves no bytes.
#pragma once

#include <cstdint>

namespace bulkhead::device {

class FairLine {
  public:
    static constexpr std::uint32_t most = 64; // packets, each known by its place, which is below that

    [[nodiscard]] bool is_empty() const { return count_ == 0; }
    // A packet in a place that is not in line, from the switch's port `from`.
    void add(std::uint32_t place, std::uint32_t from, std::uint32_t packets);
    // The place of the packet that is handed next; the line is not empty.
    [[nodiscard]] std::uint32_t next() const { return senders_[first()].first; }
    // That packet leaves the line.
    void take();
    void clear() { count_ = 0; }

  private:
    struct Sender {
        std::uint64_t turn; // the virtual time at which its first packet would be handed
        std::uint32_t from;
        std::uint8_t first, last; // places of its packets
    };

    // Of equal turns the one of the sender that has been in line longer.
    [[nodiscard]] std::uint32_t first() const {
        std::uint32_t found = 0;
        for (std::uint32_t i = 1; i < count_; ++i)
            if (senders_[i].turn < senders_[found].turn)
                found = i;
        return found;
    }

    std::uint64_t clock_ = 0; // the turn of the packet that was handed last
    std::uint32_t count_ = 0; // senders with packets in line
    Sender senders_[most];    // not cleared, as below
    std::uint32_t packets_[most];
    std::uint8_t behind_[most]; // the place of the same sender's next packet
};

// A sender that comes back waits for its turn like one that never left: its packet counts from the clock on.
inline void FairLine::add(std::uint32_t place, std::uint32_t from, std::uint32_t packets) {
    const auto number = static_cast<std::uint8_t>(place);
    packets_[place] = packets;
    for (std::uint32_t i = 0; i < count_; ++i)
        if (auto& sender = senders_[i]; sender.from == from) {
            behind_[sender.last] = number;
            sender.last = number;
            return;
        }
    senders_[count_++] = {.turn = clock_ + packets, .from = from, .first = number, .last = number};
}

inline void FairLine::take() {
    const auto index = first();
    auto& sender = senders_[index];
    clock_ = sender.turn;
    if (sender.first != sender.last) {
        sender.first = behind_[sender.first];
        sender.turn += packets_[sender.first];
        return;
    }
    --count_;
    for (auto i = index; i < count_; ++i)
        senders_[i] = senders_[i + 1];
}

} // namespace bulkhead::device
