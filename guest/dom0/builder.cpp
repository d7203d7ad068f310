// See builder.hpp. Each step takes what the ones before made; the first failure ends the building.
#include "guest/dom0/builder.hpp"

#include "guest/dom0/control.hpp"
#include "guest/dom0/window.hpp"
#include "guest/runtime/hypercall.hpp"
#include "guest/runtime/memory.hpp"
#include "image/fill.hpp"

#include <algorithm>
#include <cstring>

namespace bulkhead::dom0 {
namespace {

using Step = std::expected<void, BuildFault>;

std::unexpected<BuildFault> fail(std::string_view message) {
    return std::unexpected{BuildFault{.message = message}};
}
std::unexpected<BuildFault> fail(std::string_view message, guest::Error cause) {
    return std::unexpected{BuildFault{.message = message, .needed_bytes = 0, .cause = cause}};
}

// The machine frames of a domain under construction, by pseudo-physical number. Its pages go back at the end.
class FrameList {
  public:
    explicit FrameList(std::uint64_t count)
        : pages_{image::pages_for(count * sizeof(std::uint64_t))}, first_{guest::allocate_pages(pages_)},
          count_{count} {}
    ~FrameList() { guest::free_pages(first_, pages_); }
    FrameList(const FrameList&) = delete;
    FrameList& operator=(const FrameList&) = delete;

    [[nodiscard]] std::span<std::uint64_t> all() const {
        return {reinterpret_cast<std::uint64_t*>(first_), count_};
    }
    Mfn operator()(Pfn pfn) const { return Mfn{all()[pfn.value()]}; }

  private:
    std::size_t pages_;
    guest::Page* first_;
    std::size_t count_;
};

// The domain disappears again unless it is kept.
class Newborn {
  public:
    explicit Newborn(DomainId id) : id_{id} {}
    ~Newborn() {
        if (!kept_)
            static_cast<void>(destroy_domain(id_));
    }
    Newborn(const Newborn&) = delete;
    Newborn& operator=(const Newborn&) = delete;
    void keep() { kept_ = true; }

  private:
    DomainId id_;
    bool kept_ = false;
};

// All that is known about the guest before the domain exists.
struct Blueprint {
    const manifest::Guest& guest;
    std::span<const std::byte> initrd;
    std::string_view command_line;
    image::Kernel kernel;
    image::Layout layout;
};

std::expected<Blueprint, BuildFault> draw(const Manifest& manifest, const manifest::Guest& guest) {
    const auto kernel = image::read_kernel(manifest.blob(guest.kernel));
    if (!kernel)
        return fail(image::message(kernel.error()));
    const image::Request request{.pages = guest.memory_bytes / page_bytes,
                                 .initrd_bytes = guest.initrd.bytes,
                                 .rings = true,
                                 .initrd_mapped = false};
    const auto layout = image::plan(*kernel, request);
    if (!layout)
        return std::unexpected{BuildFault{.message = image::message(layout.error().error),
                                          .needed_bytes = layout.error().needed_pages * page_bytes}};
    return Blueprint{guest, manifest.blob(guest.initrd), manifest.text(guest.cmdline), *kernel, *layout};
}

std::expected<control::CreateDomain, BuildFault> create(const Blueprint& blueprint) {
    const auto& guest = blueprint.guest;
    control::CreateDomain request{};
    std::memcpy(request.name, guest.name, sizeof request.name);
    request.frames = blueprint.layout.pages;
    request.max_frames = std::max(blueprint.layout.pages, guest.max_memory_bytes / page_bytes);
    request.vcpus = guest.vcpus;
    request.pae = blueprint.kernel.pae ? 1 : 0;
    request.weight = guest.weight;
    request.cap = guest.cap;
    std::ranges::copy(guest.sched_values, request.sched_values);
    std::ranges::copy(guest.memory_values, request.memory_values);
    request.time_mode = guest.time_mode;
    request.dilation = guest.dilation;
    if (const auto done = create_domain(request); !done)
        return fail("the machine has too little free memory for it, or the memory policy refuses it; give "
                    "the machine "
                    "more (--mem) or the guest less (mem=)",
                    done.error());
    return request;
}

// The frame list has to fit into domain 0 itself for a moment.
bool list_fits(std::uint64_t frames) {
    constexpr std::uint64_t spare_pages = 64;
    return image::pages_for(frames * sizeof(std::uint64_t)) + spare_pages <= guest::free_page_count();
}

std::expected<control::SetRings, BuildFault> connect(const Blueprint& blueprint, DomainId id,
                                                     const FrameList& frames) {
    control::SetRings request{};
    request.domain = id.value();
    request.console_mfn = frames(blueprint.layout.console.first).value();
    if (const auto done = set_rings(request); !done)
        return fail("its console and xenstore could not be connected", done.error());
    return request;
}

// Brings every frame that holds something into the window and fills it.
Step fill(const image::Contents& contents, DomainId id, const FrameList& frames) {
    Window window;
    std::array<Pfn, Window::capacity> batch{};
    std::array<Mfn, Window::capacity> machine{};
    std::size_t used = 0;
    for (std::uint64_t pfn = 0; pfn < contents.layout.frames_used; ++pfn) {
        if (image::holds_something(contents.layout, Pfn{pfn})) {
            batch[used] = Pfn{pfn};
            machine[used++] = frames(Pfn{pfn});
        }
        if (used < batch.size() && pfn + 1 < contents.layout.frames_used)
            continue;
        if (const auto done = window.show({machine.data(), used}, id); !done)
            return fail("its memory could not be mapped", done.error());
        for (std::size_t i = 0; i < used; ++i)
            image::fill_frame(contents, batch[i], frames, window.page(i));
        used = 0;
    }
    if (const auto done = window.clear(); !done)
        return fail("its memory could not be unmapped", done.error());
    return {};
}

// A PV kernel finds its first root pinned: Linux unpins it when it moves to its own. The hypervisor pins that
// of a 32-bit guest when the vCPU gets it.
Step pin_root(const Blueprint& blueprint, DomainId id, const FrameList& frames) {
    if (blueprint.kernel.pae)
        return {};
    const auto done =
        guest::hypercall::mmuext(MMUEXT_PIN_L4_TABLE, frames(blueprint.layout.root()).value(), id);
    if (!done)
        return fail("its page tables were refused", done.error());
    return {};
}

Step start_vcpu(const Blueprint& blueprint, DomainId id, const FrameList& frames) {
    static constinit vcpu_guest_context_t context{}; // over 5 kB
    context = {};
    image::fill_context(context, blueprint.kernel, blueprint.layout, frames(blueprint.layout.root()));
    if (const auto done = set_vcpu(id, VcpuId{0}, context); !done)
        return fail("its first address space was refused", done.error());
    return {};
}

std::expected<Built, BuildFault> raise(const Blueprint& blueprint, DomainId id, std::uint64_t shared_info) {
    if (!list_fits(blueprint.layout.pages))
        return fail("domain 0 has too little memory to build it");
    const FrameList frames{blueprint.layout.pages};
    if (const auto done = populate(id, frames.all()); !done)
        return fail("the machine has too little free memory for it; give the machine more (--mem) or the "
                    "guest less (mem=)",
                    done.error());
    if (blueprint.kernel.pae && shared_info >= (std::uint64_t{1} << 32) / page_bytes)
        return fail(
            "a 32-bit guest's shared page would lie above 4 GiB; give the machine less memory (--mem)");
    const auto rings = connect(blueprint, id, frames);
    if (!rings)
        return std::unexpected{rings.error()};
    const image::StartFacts facts{.shared_info_mfn = shared_info,
                                  .flags = 0,
                                  .store_mfn = frames(blueprint.layout.store.first),
                                  .store_port = Port{rings->store_port},
                                  .console_mfn = frames(blueprint.layout.console.first),
                                  .console_port = Port{rings->console_port},
                                  .command_line = blueprint.command_line};
    const auto start_info = image::make_start_info(blueprint.layout, facts);
    if (!start_info)
        return fail(image::message(start_info.error()));
    const image::Contents contents{blueprint.kernel, blueprint.layout, blueprint.initrd, *start_info};
    if (const auto done = fill(contents, id, frames); !done)
        return std::unexpected{done.error()};
    if (const auto done = pin_root(blueprint, id, frames); !done)
        return std::unexpected{done.error()};
    if (const auto done = start_vcpu(blueprint, id, frames); !done)
        return std::unexpected{done.error()};
    return Built{.id = id,
                 .store_frame = facts.store_mfn,
                 .console_frame = facts.console_mfn,
                 .console_port = facts.console_port,
                 .store_port = facts.store_port,
                 .store_peer = Port{rings->store_remote_port}};
}

} // namespace

std::expected<Built, BuildFault> build(const Manifest& manifest, const manifest::Guest& guest) {
    const auto blueprint = draw(manifest, guest);
    if (!blueprint)
        return std::unexpected{blueprint.error()};
    const auto domain = create(*blueprint);
    if (!domain)
        return std::unexpected{domain.error()};
    Newborn newborn{DomainId{domain->id}};
    auto built = raise(*blueprint, DomainId{domain->id}, domain->shared_info_mfn);
    if (built)
        newborn.keep();
    return built;
}

} // namespace bulkhead::dom0
