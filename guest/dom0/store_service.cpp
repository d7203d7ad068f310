// See store_service.hpp.
#include "guest/dom0/store_service.hpp"

#include "guest/runtime/events.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/options.hpp"
#include "guest/runtime/print.hpp"
#include "image/addresses.hpp"

#include <new>

namespace bulkhead::dom0 {
namespace {

using xenstore::Path;

// Per guest beside its own quota: the entries that domain 0 makes for it. And room for one request's journal.
constexpr std::size_t entries_per_guest = 48, blocks_per_guest = 96, entries_per_vcpu = 2,
                      blocks_per_vcpu = 2, entries_per_device = 24, blocks_per_device = 48;
constexpr std::size_t spare_nodes = 1024, spare_blocks = 4096, journal_records = 4096;
constexpr std::size_t connection_pages = image::pages_for(sizeof(xenstore::Connection));

template<class T>
std::span<T> allocate(std::size_t count) {
    auto* const pages = guest::allocate_pages(image::pages_for(count * sizeof(T)));
    auto* const first = reinterpret_cast<T*>(pages);
    for (std::size_t i = 0; i < count; ++i)
        new (first + i) T{};
    return {first, count};
}

// The default quota, or less if not every guest's whole quota fits into a third of domain 0's memory.
xenstore::Quota quota_for(std::size_t guests) {
    xenstore::Quota quota;
    const std::size_t bytes = guest::free_page_count() * page_bytes / 3 / (guests + 1);
    const std::size_t wanted =
        (quota.nodes + quota.shadows) * sizeof(xenstore::Node) + quota.blocks * sizeof(xenstore::Block);
    if (bytes < wanted) {
        quota.shadows = static_cast<std::uint32_t>(quota.shadows * bytes / wanted);
        quota.nodes = static_cast<std::uint32_t>(quota.nodes * bytes / wanted);
        quota.blocks = static_cast<std::uint32_t>(quota.blocks * bytes / wanted);
    }
    return quota;
}

} // namespace

void StoreService::start(std::size_t guests, std::size_t vcpus, std::size_t devices) {
    const auto quota = quota_for(guests);
    const auto nodes =
        allocate<xenstore::Node>(spare_nodes + guests * (quota.nodes + quota.shadows + entries_per_guest) +
                                 vcpus * entries_per_vcpu + devices * entries_per_device);
    const auto blocks = allocate<xenstore::Block>(spare_blocks + guests * (quota.blocks + blocks_per_guest) +
                                                  vcpus * blocks_per_vcpu + devices * blocks_per_device);
    const auto journal = allocate<xenstore::Change>(journal_records);
    const auto usage = allocate<xenstore::Usage>(xenstore::max_domains);
    server_.start(
        {.nodes = nodes, .blocks = blocks, .journal = journal, .usage = usage.first<xenstore::max_domains>()},
        quota);
    put(DomainId{0}, "name", "Domain-0");
    put(DomainId{0}, "domid", 0);
}

// Paths are large: one at a time on the stack.
[[gnu::noinline]] void StoreService::put(DomainId domain, std::string_view below, std::string_view value) {
    const auto path = Path::parse(below, domain);
    const auto done = path ? server_.write(*path, value) : xenstore::fail(path.error());
    if (!done)
        guest::print("dom0: xenstore: domain {}: {}: {}\n", domain, below, xenstore::name(done.error()));
}

void StoreService::put(DomainId domain, std::string_view below, std::uint64_t value) {
    put(domain, below, xenstore::Decimal{value}.text());
}

[[gnu::noinline]] void StoreService::make(DomainId domain, std::string_view below,
                                          const xenstore::Permissions& permissions) {
    const auto path = below.empty() ? Path::home_of(domain) : Path::parse(below, domain);
    const auto done = path ? server_.make(*path, permissions) : xenstore::fail(path.error());
    if (!done)
        guest::print("dom0: xenstore: domain {}: {}: {}\n", domain, below, xenstore::name(done.error()));
}

[[gnu::noinline]] void StoreService::remove(DomainId domain, std::string_view below) {
    if (const auto path = Path::parse(below, domain))
        static_cast<void>(server_.remove(*path));
}

[[gnu::noinline]] std::string_view StoreService::text(DomainId domain, std::string_view below,
                                                      std::span<char> out) const {
    const auto path = Path::parse(below, domain);
    return path ? server_.read(*path, out).value_or(std::string_view{}) : std::string_view{};
}

std::optional<std::uint64_t> StoreService::number(DomainId domain, std::string_view below) const {
    std::array<char, 24> digits{};
    return guest::parse_number(text(domain, below, digits));
}

void StoreService::describe(const Built& built, const manifest::Guest& guest) {
    const DomainId nobody{0}, id = built.id;
    make(id, "", xenstore::readable_by(nobody, id));
    make(id, "name", xenstore::readable_by_all(nobody));
    put(id, "name", name_of(guest));
    put(id, "domid", id.value());
    put(id, "memory/target", guest.memory_bytes / 1024);
    put(id, "memory/static-max", guest.max_memory_bytes / 1024);
    put(id, "console/ring-ref", built.console_frame.value());
    put(id, "console/port", built.console_port.value());
    put(id, "console/limit", 65536);
    put(id, "console/type", "bulkhead");
    put(id, "store/ring-ref", built.store_frame.value());
    put(id, "store/port", built.store_port.value());
    for (std::uint32_t vcpu = 0; vcpu < guest.vcpus; ++vcpu) {
        std::array<char, 32> below{};
        put(id, guest::format(std::span<char>{below}, "cpu/{}/availability", vcpu), "online");
    }
    make(id, "device", xenstore::readable_by(nobody, id));
    make(id, "control", xenstore::readable_by(nobody, id));
    put(id, "control/platform-feature-xs_reset_watches", 1);
    // Where the guest says what it understands and acknowledges what it is asked.
    for (const std::string_view own : {"control/shutdown", "control/sysrq", "control/feature-poweroff",
                                       "control/feature-reboot", "control/feature-suspend"})
        make(id, own, xenstore::readable_by(id, nobody));
    for (const std::string_view own : {"data", "drivers", "feature", "attr", "error"})
        make(id, own, xenstore::readable_by_all(id));
}

void StoreService::ask(DomainId domain, std::string_view what) { put(domain, "control/shutdown", what); }

void StoreService::set_memory_target(DomainId domain, std::int64_t bytes) {
    put(domain, "memory/target", static_cast<std::uint64_t>(bytes) / 1024);
}

guest::Result<StoreLine> StoreService::open(const Built& built, const manifest::Guest& guest) {
    const auto page = guest::map_frame(built.store_frame, built.id);
    if (!page)
        return std::unexpected{page.error()};
    StoreLine line{.connection = new (guest::allocate_pages(connection_pages)) xenstore::Connection{built.id},
                   .ring = reinterpret_cast<xenstore_domain_interface*>(*page),
                   .port = built.store_peer,
                   .waiting = false};
    xenstore::open_ring(*line.ring);
    describe(built, guest);
    server_.introduce(*line.connection);
    guest::events::listen(line.port);
    return line;
}

void StoreService::close(StoreLine& line) {
    if (line.connection == nullptr)
        return;
    server_.release(*line.connection);
    static_cast<void>(server_.remove(Path::home_of(line.connection->domain)));
    server_.forget(line.connection->domain);
    static_cast<void>(guest::events::close(line.port));
    guest::unmap_frames(reinterpret_cast<guest::Page*>(line.ring));
    guest::free_pages(reinterpret_cast<guest::Page*>(line.connection), connection_pages);
    line = {};
}

bool StoreService::look(StoreLine& line) {
    if (line.connection == nullptr)
        return false;
    line.waiting = guest::events::take(line.port) || line.waiting || line.connection->told;
    return line.waiting;
}

void StoreService::serve(StoreLine& line) {
    line.waiting = false;
    const auto progress = xenstore::serve(server_, *line.connection, *line.ring);
    line.waiting = progress.more;
    if (progress.notify)
        static_cast<void>(guest::events::notify(line.port)); // the guest may be gone by now
}

} // namespace bulkhead::dom0
