// Malformed block requests: each is answered with an error, a broken ring is left alone, and after all of
// them the disk works as before.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "tests/guest/block.hpp"

#include <algorithm>

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint32_t most = ~std::uint32_t{0};
constexpr std::int16_t error = BLKIF_RSP_ERROR, unknown = BLKIF_RSP_EOPNOTSUPP;

blkif_request of(std::uint8_t operation, const Buffer& buffer) {
    blkif_request request = buffer.request(BLKIF_OP_READ, 7, 0, 8);
    request.operation = operation;
    return request;
}

void direct(Front& front, const Buffer& buffer) {
    for (const int operation : {4, 7, 8, 100, 255})
        expect(front, of(static_cast<std::uint8_t>(operation), buffer), unknown,
               "an operation that is not supported");
    for (const int segments : {0, 12, 255}) {
        blkif_request request = of(BLKIF_OP_READ, buffer);
        request.nr_segments = static_cast<std::uint8_t>(segments);
        expect(front, request, error, "an impossible number of segments");
    }
    const std::uint8_t bounds[][2] = {{1, 0}, {0, 8}, {7, 255}, {255, 255}};
    for (const auto& [first, last] : bounds) {
        blkif_request request = of(BLKIF_OP_READ, buffer);
        request.seg[0].first_sect = first;
        request.seg[0].last_sect = last;
        expect(front, request, error, "an impossible segment");
    }
    constexpr std::array beyond{std::uint64_t{2041}, std::uint64_t{2048},   std::uint64_t{most},
                                ~std::uint64_t{0},   ~std::uint64_t{0} - 7, std::uint64_t{1} << 63};
    for (const std::uint64_t sector : beyond) {
        blkif_request request = of(BLKIF_OP_READ, buffer);
        request.sector_number = sector;
        expect(front, request, error, "a request that leaves the disk");
    }
    for (const std::uint32_t ref : {0U, 511U, 512U, 100'000U, most}) {
        blkif_request request = of(BLKIF_OP_READ, buffer);
        request.seg[0].gref = ref;
        expect(front, request, error, "a grant that does not exist");
    }
}

void indirect(Front& front, const Buffer& buffer) {
    const auto changed = [&](auto change) {
        blkif_request request = buffer.indirect(BLKIF_OP_READ, 9, 0, 8);
        blkif_request_indirect named;
        __builtin_memcpy(&named, &request, sizeof named);
        change(named);
        __builtin_memcpy(&request, &named, sizeof named);
        return request;
    };
    for (const int segments : {0, 33, 512, 65535})
        expect(front, changed([&](auto& each) { each.nr_segments = static_cast<std::uint16_t>(segments); }),
               error, "an impossible number of indirect segments");
    for (const int operation : {2, 3, 5, 6, 255})
        expect(front, changed([&](auto& each) { each.indirect_op = static_cast<std::uint8_t>(operation); }),
               unknown, "an indirect operation that is not supported");
    for (const std::uint32_t ref : {0U, 512U, most})
        expect(front, changed([&](auto& each) { each.indirect_grefs[0] = ref; }), error,
               "a list of segments that was not lent");
}

} // namespace

GUEST_TEST(block_misuse, "a malformed request gets an error, and the disk still works") {
    Front front = disk();
    Buffer buffer = works(Buffer::make(4), "lending pages");
    Buffer read_only = works(Buffer::make(1, grants::Access::read_only), "lending read-only");
    direct(front, buffer);
    indirect(front, buffer);
    expect(front, of(BLKIF_OP_READ, read_only), error, "reading into a page that was lent read-only");
    expect(front, of(BLKIF_OP_WRITE, read_only), BLKIF_RSP_OKAY, "writing from it");
    expect(front, of(BLKIF_OP_READ, buffer), BLKIF_RSP_OKAY, "reading after all that");
    works(front.disconnect(), "disconnecting");
    buffer.free();
    read_only.free();
}

GUEST_TEST(block_read_only, "a read-only disk refuses writes") {
    Front front = disk(block_device::xvda + 16);
    Buffer buffer = works(Buffer::make(1), "lending pages");
    expect(front, of(BLKIF_OP_WRITE, buffer), error, "writing to a read-only disk");
    expect(front, of(BLKIF_OP_READ, buffer), BLKIF_RSP_OKAY, "reading it");
    works(front.disconnect(), "disconnecting");
    buffer.free();
}

// It goes back behind requests that are at the drive: the ring does not hold so many more.
GUEST_TEST(block_producer_back, "a ring whose producer goes back is broken, and can be made anew") {
    constexpr std::uint32_t shown = 20, back = 10;
    Front broken = disk();
    Buffer buffer = works(Buffer::make(1), "lending pages");
    for (std::uint32_t i = 0; i < block_device::slots; ++i)
        broken.put(of(BLKIF_OP_READ, buffer));
    for (const std::uint32_t by : {shown - block_device::slots, back - shown}) {
        broken.overflow(by);
        broken.push();
        sleep(microseconds(100)); // time to take them all, not to answer them
    }
    sleep(milliseconds(20));
    std::uint32_t answers = 0; // what the drive was done with before
    while (broken.take())
        ++answers;
    check(answers < back, "the broken ring was answered {} times", answers);
    works(broken.disconnect(), "disconnecting the broken ring");
    Front again = disk();
    expect(again, of(BLKIF_OP_READ, buffer), BLKIF_RSP_OKAY, "reading from a ring made anew");
    works(again.disconnect(), "disconnecting");
    buffer.free();
}

// The producer says that there is more than a ring can hold, with requests at the drive.
GUEST_TEST(block_overflow, "a broken ring is answered no more, another one is, and it can be made anew") {
    Front broken = disk(), other = disk(block_device::xvda + 16);
    Buffer buffer = works(Buffer::make(4), "lending pages");
    broken.put(of(BLKIF_OP_READ, buffer));
    broken.push();
    broken.overflow(40);
    broken.push();
    check(!broken.carry_out(of(BLKIF_OP_READ, buffer), milliseconds(20)).has_value(),
          "the broken ring was answered");
    expect(other, of(BLKIF_OP_READ, buffer), BLKIF_RSP_OKAY, "reading the other disk");
    works(broken.disconnect(), "disconnecting the broken ring");
    Front again = disk();
    expect(again, of(BLKIF_OP_READ, buffer), BLKIF_RSP_OKAY, "reading from a ring made anew");
    works(again.disconnect(), "disconnecting");
    works(other.disconnect(), "disconnecting the other disk");
    buffer.free();
}
