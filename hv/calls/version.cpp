// xen_version: constant answers, written to where the guest asks for them.

#include "hv/calls/version.hpp"

#include "hv/base/version.hpp"
#include "hv/domain/domain.hpp"
#include "hv/mm/pae.hpp"

#include <array>

namespace bulkhead::hv {

namespace {

template<std::size_t N>
void put(char (&to)[N], const char* text) {
    for (std::size_t i = 0; i + 1 < N && text[i] != 0; ++i)
        to[i] = text[i];
}

template<class T>
[[nodiscard]] HypercallResult answer(std::uint64_t address, const T& value) {
    BULKHEAD_TRY(GuestPtr<T>{address}.write(value));
    return 0;
}

// One of the ABI's fixed-size strings, filled up with zeros.
template<std::size_t N>
[[nodiscard]] HypercallResult answer_text(std::uint64_t address, const char* text) {
    struct Buffer {
        char bytes[N];
    } buffer{};
    put(buffer.bytes, text);
    return answer(address, buffer);
}

[[nodiscard]] HypercallResult compile_info(std::uint64_t address) {
    xen_compile_info_t info{};
    put(info.compiler, __VERSION__);
    put(info.compile_by, "bulkhead");
    put(info.compile_domain, "");
    put(info.compile_date, "reproducible build");
    return answer(address, info);
}

[[nodiscard]] HypercallResult features(const Domain& domain, std::uint64_t address) {
    const auto asked = GuestPtr<xen_feature_info_t>{address}.read();
    if (!asked)
        return fail(asked.error());
    if (asked->submap_idx >= XENFEAT_NR_SUBMAPS)
        return fail(Error::invalid);
    const auto submap = version::features | (domain.pae ? 1U << XENFEAT_pae_pgdir_above_4gb : 0);
    return answer(address, xen_feature_info_t{.submap_idx = asked->submap_idx, .submap = submap});
}

// A UUID made from the domain's number: distinct among the guests of a run, the same in every run.
[[nodiscard]] HypercallResult handle(const Domain& domain, std::uint64_t address) {
    std::array<std::uint8_t, sizeof(xen_domain_handle_t)> uuid{};
    uuid[14] = static_cast<std::uint8_t>(domain.id.value() >> 8);
    uuid[15] = static_cast<std::uint8_t>(domain.id.value());
    return answer(address, uuid);
}

// All questions but the version: they need room for their answers, which the version shall not pay for.
[[gnu::noinline]] HypercallResult describe(const Domain& domain, std::uint32_t command,
                                           std::uint64_t argument) {
    switch (command) {
    case XENVER_extraversion:
        return answer_text<XEN_EXTRAVERSION_LEN>(argument, version::extra);
    case XENVER_compile_info:
        return compile_info(argument);
    case XENVER_capabilities:
        return answer_text<XEN_CAPABILITIES_INFO_LEN>(argument, version::capabilities);
    case XENVER_changeset:
        return answer_text<sizeof(xen_changeset_info_t)>(argument, version::commit);
    case XENVER_platform_parameters:
        if (domain.pae)
            return answer(argument, static_cast<std::uint32_t>(pae::hole));
        return answer(argument, xen_platform_parameters_t{.virt_start = version::hypervisor_start});
    case XENVER_get_features:
        return features(domain, argument);
    case XENVER_pagesize:
        return static_cast<std::int64_t>(page_bytes);
    case XENVER_guest_handle:
        return handle(domain, argument);
    case XENVER_commandline:
        return answer_text<sizeof(xen_commandline_t)>(argument, "");
    case XENVER_build_id:
        return fail(Error::no_data);
    default:
        return fail(Error::not_implemented);
    }
}

} // namespace

// Linux asks for the version to have its events delivered: it wants the entry, not the answer.
HypercallResult XenVersion::run(HypercallContext& context) const {
    if (command == XENVER_version) [[likely]]
        return version::abi_major << 16 | version::abi_minor;
    return describe(context.domain, command, argument);
}

} // namespace bulkhead::hv
