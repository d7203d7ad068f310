// Boot: from the builder's state to guest_main, step by step.
#include "guest/runtime/start.hpp"

#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/internal.hpp"
#include "guest/runtime/memory.hpp"
#include "guest/runtime/options.hpp"
#include "guest/runtime/paging.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/schedule.hpp"

namespace bulkhead::guest {

namespace internal {
constinit State state{};
} // namespace internal

namespace {

using internal::state;

constinit std::array<char, 40> version_text{};
constinit std::string_view version{};
constinit Options own_options{std::string_view{}};

template<class T>
T* in_direct_map(T* in_builder_map) {
    const auto offset = reinterpret_cast<std::uintptr_t>(in_builder_map) - kernel_base;
    return at_address<T>(direct_map_base + offset);
}

void read_version() {
    std::array<char, sizeof(xen_extraversion_t)> extra{};
    const auto number = hypercall::xen_version(XENVER_version, nullptr).value_or(0);
    static_cast<void>(hypercall::xen_version(XENVER_extraversion, extra.data()));
    extra.back() = 0;
    version = format(std::span<char>{version_text}, "{}.{}{}", number >> 16, number & 0xffff, extra.data());
    state.bulkhead = version.find("-bulkhead") != std::string_view::npos;
}

void* ring_page(std::uint64_t mfn) {
    if (mfn == 0 || (state.start->flags & SIF_INITDOMAIN) != 0)
        return nullptr;
    const auto pfn = own_frame(Mfn{mfn});
    if (!pfn)
        return nullptr;
    return direct(*pfn);
}

// The builder's mapping of its own data goes away; the same data is in the direct map. It is read there
// before the first entry goes: a stale TLB entry would serve only until this guest is preempted.
void move_to_direct_map() {
    internal::map_all_memory();
    state.start = in_direct_map(state.start);
    state.frame_list = in_direct_map(state.frame_list);
    internal::remove_builder_mapping();
}

void map_shared_info() {
    const auto here = reinterpret_cast<std::uintptr_t>(&shared());
    if (!hypercall::update_va_mapping(here, state.start->shared_info | pte::read_write, UVMF_INVLPG))
        panic("cannot map the shared info page");
}

extern "C" std::byte stack_guard[page_bytes];

void remove_stack_guard() {
    if (!hypercall::update_va_mapping(reinterpret_cast<std::uintptr_t>(stack_guard), 0, UVMF_INVLPG))
        panic("cannot unmap the page below the stack");
}

alignas(page_bytes) constinit std::byte shared_page[page_bytes]{};

} // namespace

const start_info& start() { return *state.start; }
shared_info& shared() { return *reinterpret_cast<shared_info*>(shared_page); }

std::string_view command_line() {
    const auto* text = reinterpret_cast<const char*>(state.start->cmd_line);
    std::size_t length = 0;
    while (length < MAX_GUEST_CMDLINE && text[length] != 0)
        ++length;
    return {text, length};
}

std::span<const std::byte> module() {
    if (state.start->mod_len == 0)
        return {};
    const bool as_frame = (state.start->flags & SIF_MOD_START_PFN) != 0;
    const std::uint64_t offset =
        as_frame ? state.start->mod_start << page_shift : state.start->mod_start - kernel_base;
    return {at_address<const std::byte>(direct_map_base + offset), state.start->mod_len};
}

bool is_control_domain() { return (state.start->flags & SIF_PRIVILEGED) != 0; }
bool has_xenstore() { return state.xenstore_ring != nullptr; }
bool on_bulkhead() { return state.bulkhead; }
std::string_view hypervisor_version() { return version; }
const Options& options() { return own_options; }

extern "C" [[noreturn]] void guest_boot(const start_info* info) {
    state.start = info;
    state.frame_list = reinterpret_cast<xen_pfn_t*>(info->mfn_list);
    read_version();
    internal::install_traps();
    move_to_direct_map();
    internal::start_allocator();
    map_shared_info();
    remove_stack_guard();
    state.console_ring = ring_page(state.start->console.domU.mfn);
    state.xenstore_ring = ring_page(state.start->store_mfn);
    own_options = Options{command_line()};
    internal::start_events();
    internal::start_clock();
    guest_main();
    shutdown(Shutdown::poweroff);
}

} // namespace bulkhead::guest
