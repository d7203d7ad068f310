// A guest's disk and memory as its model uses them; virtual, because a model may come from a file of its own.
// What a call costs the guest is part of the call, except where a cost is named here.
#pragma once

#include "ringctl/contract.hpp"
#include "sim/program.hpp"

#include <algorithm>
#include <optional>

namespace bulkhead::sim {

// What a program may ask of the machine's devices (Guest::service).
inline constexpr std::uint64_t service_disk = 0;    // put the noted request into ring `argument`
inline constexpr std::uint64_t service_fault = 1;   // a frame for page `argument`
inline constexpr std::uint64_t service_release = 2; // take `argument` frames back

class GuestDisk {
  public:
    struct Request {
        ringctl::Operation operation{}; // of a disk
        std::uint64_t sector = 0;       // of ringctl::sector_bytes; all of the request lies on the disk
        std::uint32_t bytes = 0;        // at least one sector, or 0 of one that moves none
    };
    [[nodiscard]] static constexpr std::uint64_t sectors_of(std::uint32_t bytes) {
        return (bytes + ringctl::sector_bytes - 1) / ringctl::sector_bytes;
    }
    [[nodiscard]] virtual std::uint64_t sectors() const = 0;
    // The guest's own count of requests that were accepted; the next one has this number.
    [[nodiscard]] virtual std::uint64_t submitted() const = 0;
    // Accepted and not taken as an answer.
    [[nodiscard]] virtual std::uint64_t outstanding() const = 0;
    // The number of a request that has been answered, in the order of the answers. An answer is an event,
    // too.
    [[nodiscard]] virtual std::optional<std::uint64_t> take_answer() = 0;
    // Puts a request into the ring; ignored if that is full.
    [[nodiscard]] Guest::Await submit(Guest& me, const Request& request) {
        return me.service(service_disk, number(), note(request));
    }

  protected:
    ~GuestDisk() = default;
    // What the next service is about; answers with the guest's own work for it.
    virtual Nanos note(const Request& request) = 0;
    [[nodiscard]] virtual std::uint32_t number() const = 0; // of the guest's rings
};

// Of a guest whose Model says `pages`; the others have all their memory from the start.
class GuestMemory {
  public:
    // Work of the guest that is the model's to do (Guest::run).
    struct Costs {
        Nanos page;     // to choose a page and use it
        Nanos look;     // to see whether a page has a frame
        Nanos page_out; // after a fault that put another page out
    };
    // What came of a fault: how long the guest waits for the page, and whether another page went out.
    struct Fault {
        Nanos wait{};
        bool pages_out = false;
    };
    static constexpr std::int64_t most_at_once = 64; // frames that a balloon gives back in one call

    [[nodiscard]] virtual std::size_t pages() const = 0;
    // Uses a page, in no time. False if the page has no frame: then fault() is to follow, and use() again.
    [[nodiscard]] virtual bool use(std::size_t page) = 0;
    // Frames that the guest is to give back, because it has more than its target.
    [[nodiscard]] virtual std::int64_t excess() const = 0;
    // Asks for a frame for a page. faulted() says what came of it.
    [[nodiscard]] Guest::Await fault(Guest& me, std::size_t page, Nanos before = {}) {
        return me.service(service_fault, page, before + work_of_fault());
    }
    [[nodiscard]] virtual Fault faulted() const = 0;
    // Gives so many frames back; their pages go out.
    [[nodiscard]] Guest::Await release(Guest& me, std::int64_t frames, Nanos before = {}) {
        return me.service(service_release, static_cast<std::uint64_t>(frames),
                          before + work_of_release() * std::max(frames, std::int64_t{0}));
    }
    [[nodiscard]] virtual Costs costs() const = 0;
    // Uses a page that has a frame, through the model of a cache (sim/cache.hpp): how long the guest's pCPU
    // waits for memory.
    [[nodiscard]] virtual Nanos access(std::size_t page) = 0;

  protected:
    ~GuestMemory() = default;
    [[nodiscard]] virtual Nanos work_of_fault() const = 0;
    [[nodiscard]] virtual Nanos work_of_release() const = 0; // for each frame
};

} // namespace bulkhead::sim
