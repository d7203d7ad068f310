// Block I/O: what is written is read back, in direct and indirect requests, in whole pages and single
// sectors, with the ring full and its indices about to wrap; and what orders requests does.
#include "guest/runtime/clock.hpp"
#include "guest/runtime/events.hpp"
#include "tests/guest/block.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

namespace {

constexpr std::uint32_t pages = 32, sectors = pages * 8;

void fill(const Buffer& buffer, std::uint8_t with) {
    for (std::size_t i = 0; i < pages * page_bytes; ++i)
        buffer.data()[i] = static_cast<std::byte>(with + i / 512 + i % 7);
}

// The first byte of the pattern that is wrong, or as many as were looked at.
std::size_t agrees(const Buffer& buffer, std::uint8_t with, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i)
        if (buffer.data()[i] != static_cast<std::byte>(with + i / 512 + i % 7))
            return i;
    return bytes;
}

void go_round(Front& front, const Buffer& buffer, const blkif_request& write, const blkif_request& read,
              std::uint8_t with, std::size_t bytes) {
    fill(buffer, with);
    expect(front, write, BLKIF_RSP_OKAY, "writing");
    fill(buffer, static_cast<std::uint8_t>(with + 100));
    expect(front, read, BLKIF_RSP_OKAY, "reading");
    check(agrees(buffer, with, bytes) == bytes, "byte {} is not what was written",
          agrees(buffer, with, bytes));
    if (bytes < pages * page_bytes)
        check(buffer.data()[bytes] != static_cast<std::byte>(with + bytes / 512 + bytes % 7),
              "more was read than was asked for");
}

// As many as fit are outstanding at once, and each is answered once.
void fill_ring(Front& front, const Buffer& buffer) {
    std::uint32_t seen = 0;
    for (std::uint32_t i = 0; i < block_device::slots; ++i)
        front.put(buffer.request(BLKIF_OP_READ, i, i, 1));
    front.push();
    for (const GuestTime deadline = now() + milliseconds(1000);
         front.outstanding() > 0 && now() < deadline;) {
        while (const auto answer = front.take()) {
            check(answer->status == BLKIF_RSP_OKAY && answer->operation == BLKIF_OP_READ && answer->id < 32 &&
                      (seen >> answer->id & 1) == 0,
                  "a wrong answer: id {}", answer->id);
            seen |= 1U << answer->id;
        }
        events::wait(front.port(), deadline);
    }
    check(seen == ~0U, "some requests were not answered; those that were: {x}", seen);
}

} // namespace

GUEST_TEST(block_transfer, "what is written to a disk is read back") {
    Front front = disk(block_device::xvda, ~RING_IDX{0} - 5);
    Buffer buffer = works(Buffer::make(pages), "lending pages");
    check(front.sectors() == 2048, "the disk has {} sectors, not 2048", front.sectors());
    constexpr auto read = BLKIF_OP_READ, write = BLKIF_OP_WRITE;
    go_round(front, buffer, buffer.request(write, 1, 0, 88), buffer.request(read, 2, 0, 88), 1, 88 * 512);
    go_round(front, buffer, buffer.request(write, 3, 2047, 1), buffer.request(read, 4, 2047, 1), 2, 512);
    go_round(front, buffer, buffer.request(write, 5, 100, 13), buffer.request(read, 6, 100, 13), 3, 13 * 512);
    go_round(front, buffer, buffer.request(write, 7, 77, sectors), buffer.request(read, 8, 77, sectors), 4,
             pages * page_bytes);
    go_round(front, buffer, buffer.indirect(write, 9, 3, 5), buffer.indirect(read, 10, 3, 5), 5, 5 * 512);
    blkif_request flush{};
    flush.operation = BLKIF_OP_FLUSH_DISKCACHE;
    expect(front, flush, BLKIF_RSP_OKAY, "flushing");
    for (int i = 0; i < 4; ++i)
        fill_ring(front, buffer);
    works(front.disconnect(), "disconnecting");
    buffer.free();
}

// As a ring's requests come, all in one push: what a flush or a barrier stands behind is done when it is.
GUEST_TEST(block_order, "flushes, discards and barriers have their place among a ring's requests") {
    constexpr std::uint32_t count = 6, span = 88;
    Front front = disk();
    Buffer old = works(Buffer::make(pages), "lending pages"),
           read = works(Buffer::make(pages), "lending pages");
    fill(old, 1);
    fill(read, 9);
    blkif_request discard{}, flush{};
    blkif_request_discard what{};
    what.operation = BLKIF_OP_DISCARD;
    what.id = 1;
    what.sector_number = 300;
    what.nr_sectors = span - 1;
    __builtin_memcpy(&discard, &what, sizeof what);
    flush.operation = BLKIF_OP_FLUSH_DISKCACHE;
    flush.id = 2;
    auto barrier = old.request(BLKIF_OP_WRITE_BARRIER, 3, 600, 8), empty = blkif_request{};
    empty.operation = BLKIF_OP_WRITE_BARRIER;
    empty.id = 4;
    for (const auto& each : {old.request(BLKIF_OP_WRITE, 0, 300, span), discard, flush, barrier, empty,
                             read.request(BLKIF_OP_READ, 5, 300, span)})
        front.put(each);
    front.push();
    std::uint32_t seen = 0;
    for (const GuestTime deadline = now() + milliseconds(1000); seen < count && now() < deadline;) {
        while (const auto answer = front.take()) {
            check(answer->id == seen && answer->status == BLKIF_RSP_OKAY, "answer {}: id {}, status {}", seen,
                  answer->id, static_cast<std::int64_t>(answer->status));
            ++seen;
        }
        events::wait(front.port(), deadline);
    }
    check(seen == count, "{} answers, not {}", seen, count);
    for (std::size_t i = 0; i < (span - 1) * 512; ++i)
        check(read.data()[i] == std::byte{}, "byte {} is still there", i);
    check(read.data()[(span - 1) * 512] == old.data()[(span - 1) * 512], "more was discarded");
    expect(front, read.request(BLKIF_OP_READ, 6, 600, 8), BLKIF_RSP_OKAY, "reading");
    check(agrees(read, 1, 4096) == 4096, "what came with the barrier is not there");
    what.sector_number = front.sectors() - 1;
    for (const std::uint64_t wrong : {std::uint64_t{0}, std::uint64_t{2}, ~std::uint64_t{0}}) {
        what.nr_sectors = wrong;
        __builtin_memcpy(&discard, &what, sizeof what);
        expect(front, discard, BLKIF_RSP_ERROR, "discarding beyond the disk");
    }
    works(front.disconnect(), "disconnecting");
    old.free();
    read.free();
}

GUEST_TEST(block_reconnect, "a disk can be let go and taken again, and keeps what was written") {
    Buffer buffer = works(Buffer::make(pages), "lending pages");
    for (std::uint8_t round = 0; round < 5; ++round) {
        Front front = disk();
        if (round > 0) {
            expect(front, buffer.request(BLKIF_OP_READ, 0, 500, 8), BLKIF_RSP_OKAY, "reading");
            check(agrees(buffer, static_cast<std::uint8_t>(round - 1), 4096) == 4096, "it forgot round {}",
                  round);
        }
        fill(buffer, round);
        expect(front, buffer.request(BLKIF_OP_WRITE, 0, 500, 8), BLKIF_RSP_OKAY, "writing");
        for (std::uint32_t i = 0; i < 20; ++i) // these are not waited for
            front.put(buffer.request(BLKIF_OP_READ, i, i, 1));
        front.push();
        works(front.disconnect(), "disconnecting");
    }
    buffer.free();
}
