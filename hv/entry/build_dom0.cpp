#include "hv/entry/build_dom0.hpp"

#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/dispatch/dispatch.hpp"
#include "hv/dispatch/run.hpp"
#include "hv/domain/life.hpp"
#include "hv/domain/vcpu_context.hpp"
#include "hv/mm/paging.hpp"
#include "hv/plugin/scheduler.hpp"
#include "image/fill.hpp"
#include "image/start_info.hpp"

namespace bulkhead::hv {

namespace {

constexpr std::uint64_t spare_bytes = 16 << 20; // beside the manifest, if the manifest does not say how much

// `why` is a literal, so it ends in a zero byte.
[[noreturn]] void refuse(std::string_view why) {
    log("domain 0 cannot be built: %s\n", why.data());
    end_run(landmark::Exit::bad_input, "domain 0 cannot be built");
}

std::span<const std::byte> blob(std::span<const std::byte> manifest, manifest::Span where) {
    const auto part = image::part(manifest, where.offset, where.bytes);
    if (!part)
        refuse("its kernel or command line lies outside of the manifest");
    return *part;
}

Domain& create(const manifest::Header& header, std::uint64_t pages) {
    DomainSpec spec{.name = "dom0",
                    .privileged = true,
                    .frames = pages,
                    .max_frames = pages,
                    .vcpus = 1,
                    .weight = header.dom0_weight,
                    .cap = 0,
                    .share = header.dom0_share,
                    .time = {manifest::TimeMode::real, 1000},
                    .sched_values = header.dom0_sched_values};
    const auto domain = create_domain(spec);
    if (!domain || !furnish_domain(**domain, spec))
        refuse("no memory");
    for (Result<> created = fail(Error::restart); !created;) {
        created = create_vcpus(**domain);
        if (!created && created.error() != Error::restart)
            refuse("no memory");
    }
    if (header.dom0_affinity != 0)
        scheduler::set_affinity(*(*domain)->vcpus[0], header.dom0_affinity);
    for (std::uint64_t i = 0; i < pages; ++i) {
        const auto frame = frame_table().allocate(**domain);
        if (!frame)
            refuse("the machine has too little memory; give it more (--mem)");
    }
    return **domain;
}

// Pseudo-physical order is the order of the domain's frame list.
class FrameOrder {
  public:
    FrameOrder(const Domain& domain, Mfn* numbers) : numbers_{numbers} {
        std::uint64_t pfn = 0;
        for (const Frame* frame = frame_table().find(Mfn{domain.memory.frames.first}); frame != nullptr;
             frame = frame_table().find(Mfn{frame->next})) {
            const auto mfn = frame_table().number(*frame);
            machine::set_m2p(mfn, pfn);
            numbers_[pfn++] = mfn;
        }
    }
    Mfn operator()(Pfn pfn) const { return numbers_[pfn.value()]; }

  private:
    Mfn* numbers_;
};

} // namespace

void build_dom0(std::span<const std::byte> manifest, const manifest::Header& header) {
    const auto kernel = image::read_kernel(blob(manifest, header.dom0_kernel));
    if (!kernel)
        refuse(image::message(kernel.error()));
    const auto bytes =
        header.dom0_memory_bytes != 0 ? header.dom0_memory_bytes : manifest.size() + spare_bytes;
    const image::Request request{
        .pages = bytes / page_bytes, .initrd_bytes = manifest.size(), .rings = false, .initrd_mapped = true};
    const auto layout = image::plan(*kernel, request);
    if (!layout)
        refuse(image::message(layout.error().error));
    Domain& domain = create(header, layout->pages);

    const auto table_frames = (layout->pages * sizeof(Mfn) + page_bytes - 1) / page_bytes;
    const auto scratch = frame_table().allocate_contiguous(table_frames);
    if (!scratch)
        refuse("no memory for its frame list");
    const FrameOrder order{domain, machine::frame_as<Mfn>(*scratch)};
    const auto command_line = blob(manifest, header.dom0_cmdline);
    const image::StartFacts facts{.shared_info_mfn = domain.shared_frame.value(),
                                  .flags = SIF_PRIVILEGED | SIF_INITDOMAIN,
                                  .store_mfn = {},
                                  .store_port = {},
                                  .console_mfn = {},
                                  .console_port = {},
                                  .command_line = image::text(command_line)};
    const auto start_info = image::make_start_info(*layout, facts);
    if (!start_info)
        refuse(image::message(start_info.error()));
    const image::Contents contents{*kernel, *layout, manifest, *start_info};
    for (std::uint64_t pfn = 0; pfn < layout->frames_used; ++pfn)
        if (image::holds_something(*layout, Pfn{pfn}))
            image::fill_frame(contents, Pfn{pfn}, order,
                              image::Page{machine::frame_as<std::byte>(order(Pfn{pfn})), page_bytes});

    static vcpu_guest_context_t context; // over 5 kB
    image::fill_context(context, *kernel, *layout, order(layout->root()));
    Vcpu& vcpu = *domain.vcpus[0];
    for (Result<> loaded = fail(Error::restart); !loaded;) {
        loaded = load_context(vcpu, context);
        if (!loaded && loaded.error() != Error::restart)
            refuse("its page tables are not acceptable");
    }
    for (std::uint64_t i = 0; i < table_frames; ++i)
        frame_table().free_for_hypervisor(Mfn{scratch->value() + i});
    vcpu.sched.online = true;
    domain.life = control::Life::running;
    unpause_all(domain);
}

} // namespace bulkhead::hv
