#include "hv/entry/acpi.hpp"

#include "hv/arch/layout.hpp"

#include <cstring>
#include <span>

namespace bulkhead::hv {

namespace {

// ACPI specification 6.5, sections 5.2.5.3, 5.2.6, 5.2.7 and 5.2.12.
struct [[gnu::packed]] RootPointer {
    char signature[8];
    std::uint8_t checksum;
    char vendor[6];
    std::uint8_t revision;
    std::uint32_t table; // RSDT
};
struct [[gnu::packed]] TableHeader {
    char signature[4];
    std::uint32_t bytes;
    std::uint8_t revision, checksum;
    char vendor[6], product[8];
    std::uint32_t vendor_revision, maker, maker_revision;
};
struct [[gnu::packed]] Madt {
    TableHeader header;
    std::uint32_t apic_address, flags;
};
struct [[gnu::packed]] LocalApic { // entry type 0
    std::uint8_t type, bytes, processor, apic_id;
    std::uint32_t flags; // bit 0: usable
};
constexpr std::uint64_t bios_area = 0xe0000, bios_area_end = 0x100000, reachable = 4ULL << 30;
constexpr std::uint32_t longest_table = 1 << 20;

template<class T>
const T* at(std::uint64_t physical) {
    return reinterpret_cast<const T*>(layout::direct_map + physical);
}

bool adds_up(const void* start, std::size_t bytes) {
    std::uint8_t sum = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        sum = static_cast<std::uint8_t>(sum + static_cast<const std::uint8_t*>(start)[i]);
    return sum == 0;
}

const TableHeader* table(std::uint32_t physical, const char* signature) {
    const auto* header = at<TableHeader>(physical);
    if (physical == 0 || physical > reachable - longest_table ||
        std::memcmp(header->signature, signature, 4) != 0)
        return nullptr;
    const bool whole = header->bytes >= sizeof *header && header->bytes <= longest_table;
    return whole && adds_up(header, header->bytes) ? header : nullptr;
}

const RootPointer* find_root() {
    for (auto where = bios_area; where < bios_area_end; where += 16) {
        const auto* root = at<RootPointer>(where);
        if (std::memcmp(root->signature, "RSD PTR ", sizeof root->signature) == 0 &&
            adds_up(root, sizeof *root))
            return root;
    }
    return nullptr;
}

const Madt* find_madt() {
    const auto* root = find_root();
    const auto* list = root != nullptr ? table(root->table, "RSDT") : nullptr;
    if (list == nullptr)
        return nullptr;
    const auto* entries = reinterpret_cast<const std::byte*>(list + 1);
    for (std::uint32_t offset = sizeof *list; offset + 4 <= list->bytes; offset += 4, entries += 4) {
        std::uint32_t physical;
        std::memcpy(&physical, entries, sizeof physical);
        if (const auto* found = table(physical, "APIC"))
            return reinterpret_cast<const Madt*>(found);
    }
    return nullptr;
}

void add(ProcessorList& list, const LocalApic& entry) {
    if ((entry.flags & 1) != 0 && entry.apic_id != list.apic_ids[0] && list.count < list.apic_ids.size())
        list.apic_ids[list.count++] = entry.apic_id;
}

} // namespace

ProcessorList find_processors(std::uint32_t running) {
    ProcessorList list;
    list.apic_ids[list.count++] = running;
    const auto* madt = find_madt();
    if (madt == nullptr)
        return list;
    const auto* entries = reinterpret_cast<const std::uint8_t*>(madt);
    for (std::uint32_t offset = sizeof *madt; offset + sizeof(LocalApic) <= madt->header.bytes;) {
        const auto bytes = entries[offset + 1];
        if (bytes < 2)
            break;
        if (entries[offset] == 0 && bytes >= sizeof(LocalApic))
            add(list, *reinterpret_cast<const LocalApic*>(entries + offset));
        offset += bytes;
    }
    return list;
}

} // namespace bulkhead::hv
