// Fuzzes the manifest's check: whatever is accepted can be read from end to end.
#include "guest/dom0/manifest_view.hpp"

#include <cstdlib>
#include <cstring>
#include <vector>

using namespace bulkhead;

namespace {

std::uint64_t sum;

void touch(std::span<const std::byte> bytes) {
    for (const auto byte : bytes)
        sum += static_cast<unsigned>(byte);
}

void touch_all(const dom0::Manifest& manifest) {
    for (const auto& guest : manifest.guests()) {
        if (dom0::name_of(guest).empty() || guest.vcpus == 0)
            std::abort();
        touch(manifest.blob(guest.kernel));
        touch(manifest.blob(guest.initrd));
        touch(manifest.blob(guest.cmdline));
    }
    for (const auto& entry : manifest.timeline())
        sum += entry.target;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::uint64_t> words(size / sizeof(std::uint64_t));
    const std::span bytes = std::as_writable_bytes(std::span{words});
    if (bytes.empty())
        return 0;
    std::memcpy(bytes.data(), data, bytes.size());
    // An odd input keeps its header; an even one gets the fields that only a correct program would get right.
    if (bytes.size() >= sizeof(manifest::Header) && data[size - 1] % 2 == 0) {
        manifest::Header header;
        std::memcpy(&header, bytes.data(), sizeof header);
        header.magic = manifest::magic;
        header.version = manifest::version;
        header.header_bytes = sizeof header;
        header.total_bytes = bytes.size();
        std::memcpy(bytes.data(), &header, sizeof header);
    }
    if (const auto manifest = dom0::Manifest::open(bytes))
        touch_all(*manifest);
    return 0;
}
