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

constinit Histogram latency{};

// Where the next request is, and what it asks for. Their data are nobody's, so all share one buffer.
class Stream {
  public:
    Stream(const block_device::Front& front, const block_device::Buffer& buffer, const DiskOptions& options)
        : buffer_{buffer},
          sectors_{static_cast<std::uint32_t>((options.bytes.number() + block_device::sector_bytes - 1) /
                                              block_device::sector_bytes)},
          operation_{options.write.number() != 0 ? std::uint8_t{BLKIF_OP_WRITE}
                                                 : std::uint8_t{BLKIF_OP_READ}},
          sequential_{options.sequential.number() != 0}, places_{front.sectors() / sectors_},
          random_{xenstore::own_id().value_or(DomainId{}).value()} {
        place_ = random_.next() % places_;
    }
    [[nodiscard]] blkif_request next(std::uint64_t number) {
        place_ = sequential_ ? (place_ + 1) % places_ : random_.next() % places_;
        return buffer_.request(operation_, number, place_ * sectors_, sectors_);
    }

  private:
    const block_device::Buffer& buffer_;
    std::uint32_t sectors_;
    std::uint8_t operation_;
    bool sequential_;
    std::uint64_t places_, place_ = 0;
    Random random_;
};

class Reader {
  public:
    Reader(block_device::Front& front, Stream& stream, const DiskOptions& options)
        : front_{front}, stream_{stream}, depth_{options.depth.number()},
          period_{options.period_us.microseconds()}, work_{options.work_us.number()},
          due_{now() + period_ + options.phase_ns.nanoseconds()} {}

    void run() {
        while (!over()) {
            while (const auto answer = front_.take())
                received(*answer);
            while (!over() && front_.outstanding() < depth_ && (!has_period() || now() >= due_))
                send();
            front_.push();
            const bool waits_for_due = has_period() && front_.outstanding() < depth_ && due_ < ends();
            static_cast<void>(events::wait(front_.port(), waits_for_due ? due_ : ends()));
        }
    }
    [[nodiscard]] std::uint64_t answers() const { return answers_; }
    [[nodiscard]] std::uint64_t failures() const { return failures_; }

  private:
    [[nodiscard]] bool has_period() const { return period_ > Nanos{}; }

    void send() {
        const auto since = has_period() ? due_ : now();
        if (has_period())
            mark(Mark::deadline, static_cast<std::uint64_t>(due_.since_start().count()));
        mark(Mark::request_sent, sent_);
        sent_at_[sent_ % sent_at_.size()] = since;
        front_.put(stream_.next(sent_++));
        due_ += period_;
        front_.push();
    }
    void received(const blkif_response& answer) {
        latency.add(now() - sent_at_[answer.id % sent_at_.size()]);
        failures_ += answer.status != BLKIF_RSP_OKAY ? 1U : 0U;
        mark(Mark::reply_received, answer.id);
        mark(Mark::operations, ++answers_);
        for (std::uint64_t i = 0; i < work_; ++i)
            operation(); // 1,000 instructions
    }

    block_device::Front& front_;
    Stream& stream_;
    std::uint64_t depth_;
    Nanos period_;
    std::uint64_t work_;
    GuestTime due_;
    std::uint64_t sent_ = 0, answers_ = 0, failures_ = 0;
    // A request may be overtaken by later ones, but not by so many.
    std::array<GuestTime, 4096> sent_at_{};
};

} // namespace

void use_disk(std::string_view name, const DiskOptions& options) {
    if (options.bytes.number() < block_device::sector_bytes || options.bytes.number() > largest)
        panic("{}: option bytes: write {} to {}", name, block_device::sector_bytes, largest);
    if (options.depth.number() < 1 || options.depth.number() > block_device::slots)
        panic("{}: option depth: write 1 to {}", name, block_device::slots);
    auto front = block_device::Front::connect();
    if (!front)
        panic("{}: this guest has no disk that can be used ({}); give it one (disk=64M)", name,
              front.error());
    if (front->sectors() * block_device::sector_bytes < options.bytes.number())
        panic("{}: a disk of {} sectors is too small for a request of {} bytes", name, front->sectors(),
              options.bytes.number());
    const auto buffer = block_device::Buffer::make(
        static_cast<std::uint32_t>((options.bytes.number() + page_bytes - 1) / page_bytes));
    if (!buffer)
        panic("{}: cannot lend the buffer: {}", name, buffer.error());
    Stream stream{*front, *buffer, options};
    static constinit std::byte place alignas(Reader)[sizeof(Reader)]{}; // too large for the stack
    auto& reader = *::new (place) Reader{*front, stream, options};
    reader.run();
    mark(Mark::finished, reader.answers());
    print("RESULT name={} answers={} failures={} p50_ns={} p99_ns={} max_ns={} ns={}\n", name,
          reader.answers(), reader.failures(), latency.percentile(500), latency.percentile(990),
          latency.max(), now() - began());
}

} // namespace bulkhead::workload
