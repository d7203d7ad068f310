// See disk.hpp.
#include "workloads/disk.hpp"

#include "guest/runtime/block.hpp"
#include "guest/runtime/events.hpp"
#include "guest/runtime/mark.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/start.hpp"
#include "guest/runtime/xenstore.hpp"
#include "workloads/histogram.hpp"
#include "workloads/random.hpp"
#include "workloads/work.hpp"

namespace bulkhead::workload {
namespace {

using namespace bulkhead::guest;

constexpr std::uint64_t largest = block_device::most_segments * page_bytes;
constexpr std::uint64_t iteration_ns = 16;  // of work()
constexpr std::size_t most_rings = 16;      // xvda to xvdp
constexpr std::uint32_t between_disks = 16; // in the numbers of devices

constinit Histogram latency{};

// Where the next request is, and what it asks for. Their data are nobody's, so all share one buffer.
class Stream {
  public:
    Stream(std::uint64_t disk_sectors, const block_device::Buffer& buffer, const DiskOptions& options)
        : buffer_{buffer},
          sectors_{static_cast<std::uint32_t>((options.bytes.number() + block_device::sector_bytes - 1) /
                                              block_device::sector_bytes)},
          operation_{options.write.number() != 0 ? std::uint8_t{BLKIF_OP_WRITE}
                                                 : std::uint8_t{BLKIF_OP_READ}},
          sequential_{options.sequential.number() != 0}, flush_{options.flush.number()},
          discard_{options.discard.number()}, disk_sectors_{disk_sectors}, places_{disk_sectors / sectors_},
          random_{xenstore::own_id().value_or(DomainId{}).value()} {
        place_ = random_.next() % places_;
    }
    [[nodiscard]] blkif_request next(std::uint64_t number) {
        if (flush_ != 0 && number % (flush_ + 1) == flush_) {
            blkif_request request{};
            request.operation = BLKIF_OP_FLUSH_DISKCACHE;
            request.id = number;
            return request;
        }
        if (discard_ != 0 && number % (discard_ + 1) == discard_)
            return discard_all(number);
        place_ = sequential_ ? (place_ + 1) % places_ : random_.next() % places_;
        return buffer_.request(operation_, number, place_ * sectors_, sectors_);
    }

  private:
    [[nodiscard]] blkif_request discard_all(std::uint64_t number) const {
        blkif_request_discard discard{};
        discard.operation = BLKIF_OP_DISCARD;
        discard.id = number;
        discard.nr_sectors = disk_sectors_;
        blkif_request request{};
        __builtin_memcpy(&request, &discard, sizeof discard);
        return request;
    }

    const block_device::Buffer& buffer_;
    std::uint32_t sectors_;
    std::uint8_t operation_;
    bool sequential_;
    std::uint64_t flush_, discard_; // requests between two of them; 0: there are none
    std::uint64_t disk_sectors_;
    std::uint64_t places_, place_ = 0;
    Random random_;
};

// Of each disk that is used.
struct Fronts {
    std::array<block_device::Front, most_rings> all;
    std::array<Port, most_rings> ports;
    std::size_t count;

    [[nodiscard]] std::span<block_device::Front> used() { return std::span{all}.first(count); }
    [[nodiscard]] std::span<const Port> used_ports() const { return std::span{ports}.first(count); }
};

class Reader {
  public:
    Reader(Fronts& fronts, Stream& stream, const DiskOptions& options)
        : fronts_{fronts}, stream_{stream}, depth_{options.depth.number()},
          period_{options.period_us.microseconds()}, burst_{options.burst.number()},
          work_{options.work_us.number() * 1'000 / iteration_ns},
          due_{now() + period_ + options.phase_ns.nanoseconds()} {}

    void run() {
        while (!over()) {
            for (auto& front : fronts_.used())
                while (const auto answer = front.take())
                    received(*answer);
            bool has_room = false;
            for (auto& front : fronts_.used()) {
                while (!over() && front.outstanding() < depth_ && (!has_period() || now() >= due_))
                    send(front);
                front.push();
                has_room |= front.outstanding() < depth_;
            }
            const bool waits_for_due = has_period() && has_room && due_ < ends();
            static_cast<void>(events::wait(fronts_.used_ports(), waits_for_due ? due_ : ends()));
        }
    }
    [[nodiscard]] std::uint64_t answers() const { return answers_; }
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    [[nodiscard]] bool has_period() const { return period_ > Nanos{}; }

    void send(block_device::Front& front) {
        const auto since = has_period() ? due_ : now();
        if (has_period())
            mark(Mark::deadline, static_cast<std::uint64_t>(due_.since_start().count()));
        mark(Mark::request_sent, sent_);
        sent_at_[sent_ % sent_at_.size()] = since;
        front.put(stream_.next(sent_++));
        if (sent_ % burst_ == 0)
            due_ += period_;
        front.push();
    }
    void received(const blkif_response& answer) {
        latency.add(now() - sent_at_[answer.id % sent_at_.size()]);
        failures_ += answer.status != BLKIF_RSP_OKAY ? 1U : 0U;
        mark(Mark::reply_received, answer.id);
        mark(Mark::operations, ++answers_);
        work(work_);
    }

    Fronts& fronts_;
    Stream& stream_;
    std::uint64_t depth_;
    Nanos period_;
    std::uint64_t burst_, work_;
    GuestTime due_;
    std::uint64_t sent_ = 0, answers_ = 0, failures_ = 0;
    // A request may be overtaken by later ones, but not by so many.
    std::array<GuestTime, 4096> sent_at_{};
};

// Of so many disks; the sectors of the smallest one.
std::uint64_t connect(std::string_view name, Fronts& fronts, std::uint64_t count) {
    if (count < 1 || count > most_rings)
        panic("{}: option rings: write 1 to {}", name, most_rings);
    std::uint64_t smallest = ~std::uint64_t{0};
    for (; fronts.count < count; ++fronts.count) {
        auto front = block_device::Front::connect(block_device::xvda +
                                                  static_cast<std::uint32_t>(fronts.count) * between_disks);
        if (!front)
            panic("{}: this guest has no disk {} that can be used ({}); give it one (disk=64M)", name,
                  fronts.count, front.error());
        smallest = std::min(smallest, front->sectors());
        fronts.ports[fronts.count] = front->port();
        fronts.all[fronts.count] = *front;
    }
    return smallest;
}

} // namespace

void use_disk(std::string_view name, const DiskOptions& options) {
    if (options.bytes.number() < block_device::sector_bytes || options.bytes.number() > largest)
        panic("{}: option bytes: write {} to {}", name, block_device::sector_bytes, largest);
    if (options.depth.number() < 1 || options.depth.number() > block_device::slots)
        panic("{}: option depth: write 1 to {}", name, block_device::slots);
    if (options.burst.number() < 1)
        panic("{}: option burst: write 1 or more", name);
    static constinit Fronts fronts{};
    const auto smallest = connect(name, fronts, options.rings.number());
    if (smallest * block_device::sector_bytes < options.bytes.number())
        panic("{}: a disk of {} sectors is too small for a request of {} bytes", name, smallest,
              options.bytes.number());
    const auto buffer = block_device::Buffer::make(
        static_cast<std::uint32_t>((options.bytes.number() + page_bytes - 1) / page_bytes));
    if (!buffer)
        panic("{}: cannot lend the buffer: {}", name, buffer.error());
    Stream stream{smallest, *buffer, options};
    static constinit std::byte place alignas(Reader)[sizeof(Reader)]{}; // too large for the stack
    auto& reader = *::new (place) Reader{fronts, stream, options};
    reader.run();
    mark(Mark::finished, reader.answers());
    print("RESULT name={} answers={} failures={} p50_ns={} p99_ns={} max_ns={} ns={}\n", name,
          reader.answers(), reader.failures(), latency.percentile(500), latency.percentile(990),
          latency.max(), now() - began());
}

} // namespace bulkhead::workload
