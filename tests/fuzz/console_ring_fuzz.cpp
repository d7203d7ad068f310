// A hostile guest on its console: bytes through console_io and the ring, wild indices, time and rates.
// Whatever it does, the serial line shows whole lines with its name in front, free of control characters, and
// no more than its rate.

#include "hv/calls/console.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/mm/paging.hpp"
#include "tests/unit/event_world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

using namespace bulkhead;
using namespace bulkhead::hv;

namespace {

void require(bool good, const char* what) {
    if (good)
        return;
    std::fprintf(stderr, "console_ring_fuzz: %s\n", what);
    std::abort();
}

constexpr std::string_view prefix = "guest| ";
constexpr std::uint32_t rate = 5000;

void check_line(std::string_view line) {
    require(line.starts_with(prefix), "a line without its guest's name");
    line.remove_prefix(prefix.size());
    require(line.size() <= Console::line_bytes, "a line longer than lines are");
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        require((byte >= 0x20 && byte != 0x7f) || byte == '\t', "a control character");
        const bool after_c2 = i > 0 && static_cast<unsigned char>(line[i - 1]) == 0xc2;
        require(!(after_c2 && byte >= 0x80 && byte < 0xa0), "a control character in UTF-8");
    }
}

class Run {
  public:
    explicit Run(std::span<const std::uint8_t> bytes) : bytes_{bytes} {
        console_set_rate(rate);
        page_ = frame_table().allocate(guest_).value();
        ring_ = hv::machine::frame_as<xencons_interface>(page_);
        require(console_connect(guest_, page_).has_value(), "no console");
    }
    ~Run() { console_set_rate(0); }

    void go() {
        while (!bytes_.empty()) {
            step();
            check();
        }
        require(!console_flush(guest_, true), "something is held back at the end");
        flush_output();
        check();
        require(world_.machine.console.empty(), "a line without its end");
        while (!console_disconnect(guest_))
            ;
        flush_output();
        check();
        require(frame_table().find(page_)->references() == 1, "the ring's reference is left");
    }

  private:
    std::uint8_t byte() {
        if (bytes_.empty())
            return 0;
        const auto first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    std::span<const std::uint8_t> take(std::size_t count) {
        const auto taken = bytes_.first(std::min(count, bytes_.size()));
        bytes_ = bytes_.subspan(taken.size());
        return taken;
    }

    void produce() {
        for (const auto value : take(byte() * 8U))
            ring_->out[ring_->out_prod++ % sizeof ring_->out] = static_cast<char>(value);
    }
    void step() {
        world_.machine.preempt_every = byte() % 4;
        switch (byte() % 8) {
        case 0:
        case 1: {
            const auto text = take(byte());
            std::ranges::copy(std::as_bytes(text), world_.guest.begin());
            require(world_.call<ConsoleIo>(*guest_.vcpus[0], CONSOLEIO_write, text.size(), world_.guest_base)
                        .has_value(),
                    "console_io failed");
            break;
        }
        case 2:
        case 3:
            produce();
            console_drain(guest_);
            break;
        case 4:
            ring_->out_prod = byte() * 0x0101'0101U;
            break;
        case 5:
            ring_->out_cons = byte() * 0x0101'0101U;
            console_drain(guest_);
            break;
        case 6:
            world_.machine.time += byte() * std::int64_t{1'000'000};
            console_flush(guest_, false);
            break;
        default:
            require(console_connect(guest_, page_).has_value(), "no console");
            break;
        }
    }

    // Everything printed so far is whole lines, and fits into a first burst, what the time since has earned,
    // and notices.
    void check() {
        std::string_view text = world_.machine.console;
        for (auto end = text.find('\n'); end != text.npos; end = text.find('\n')) {
            const auto line = text.substr(0, end);
            check_line(line);
            printed_ += line.ends_with("over the console rate]") ? 0 : line.size() + 1;
            text.remove_prefix(end + 1);
        }
        world_.machine.console = std::string{text}; // the rest of a line is on its way
        const auto earned = rate + world_.machine.time / 1000 * rate / 1'000'000;
        require(printed_ <= static_cast<std::size_t>(earned) + sizeof(Console), "more than the rate allows");
    }

    test::World world_{64};
    Domain& guest_ = world_.add_domain("guest");
    std::span<const std::uint8_t> bytes_;
    Mfn page_{};
    xencons_interface* ring_ = nullptr;
    std::size_t printed_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Run{std::span{data, std::min<std::size_t>(size, 1 << 16)}}.go();
    return 0;
}
