// xen_version: every sub-command that a guest relies on answers, and answers into bad memory are refused.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

#include <xen/features.h>

using namespace bulkhead;
using namespace bulkhead::guest_test;

static std::string_view text(std::span<char> buffer) {
    buffer.back() = 0;
    return {buffer.data()};
}

GUEST_TEST(version_queries, "version, features and the like") {
    const long version = works(hypercall::xen_version(XENVER_version, nullptr), "version");
    check(version >= (4 << 16), "version {x}", version);
    std::array<char, 1024> buffer{};
    works(hypercall::xen_version(XENVER_extraversion, buffer.data()), "extraversion");
    check(text(std::span{buffer}.first<sizeof(xen_extraversion_t)>()).size() < sizeof(xen_extraversion_t),
          "extraversion does not end");
    works(hypercall::xen_version(XENVER_capabilities, buffer.data()), "capabilities");
    check(text(buffer).find("xen-3.0-x86_64") != std::string_view::npos, "capabilities are '{}'",
          buffer.data());
    works(hypercall::xen_version(XENVER_changeset, buffer.data()), "changeset");
    works(hypercall::xen_version(XENVER_compile_info, buffer.data()), "compile_info");
    xen_platform_parameters_t platform{};
    works(hypercall::xen_version(XENVER_platform_parameters, &platform), "platform_parameters");
    check(platform.virt_start == HYPERVISOR_VIRT_START, "the hypervisor starts at {x}", platform.virt_start);
    check(works(hypercall::xen_version(XENVER_pagesize, nullptr), "pagesize") == page_bytes,
          "pages of another size");
    xen_domain_handle_t handle{};
    works(hypercall::xen_version(XENVER_guest_handle, &handle), "guest_handle");

    xen_feature_info features{};
    works(hypercall::xen_version(XENVER_get_features, &features), "features");
    check((features.submap >> XENFEAT_auto_translated_physmap & 1) == 0,
          "a PV guest has no translated memory");
    features.submap_idx = 1000;
    refused(hypercall::xen_version(XENVER_get_features, &features), "a page of features that is not there");
    refused(hypercall::xen_version(999, nullptr), Error::no_such_call, "an unknown command");
    refused(hypercall::xen_version(XENVER_extraversion, reinterpret_cast<void*>(hypervisor_memory)),
            Error::fault, "an answer into the hypervisor's memory");
    refused(hypercall::xen_version(XENVER_extraversion, reinterpret_cast<void*>(0x123000)), Error::fault,
            "an answer to an unmapped address");
}
