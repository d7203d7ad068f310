#include "hv/calls/creation.hpp"

#include "abi/control.hpp"
#include "hv/domain/life.hpp"
#include "hv/mm/pae_m2p.hpp"

#include <cstring>

namespace bulkhead::hv {

// A domain other than the caller, by a hostile number.
Result<Domain*> other_domain(Domain& caller, std::uint64_t id) {
    Domain* domain = id <= last_domain_id ? find_domain(DomainId{static_cast<std::uint16_t>(id)}) : nullptr;
    if (domain == nullptr || domain == &caller)
        return fail(Error::no_domain);
    return domain;
}

namespace {

constexpr std::uint32_t least_dilation = 1000, most_dilation = 1'000'000; // 1 to 1000

bool is_time_rule(const control::CreateDomain& request) {
    switch (request.time_mode) {
    case manifest::TimeMode::real:
    case manifest::TimeMode::virtual_:
        return true;
    case manifest::TimeMode::dilated:
        return request.dilation >= least_dilation && request.dilation <= most_dilation;
    }
    return false;
}

// What the third register says in the continuations of a creation: nothing in the first call; then which
// domain is begun, and why it is taken apart again, if it is.
class Begun {
  public:
    explicit Begun(std::uint64_t word) : word_{word} {}
    static std::uint64_t word(const Domain& domain, std::int64_t error) {
        return static_cast<std::uint64_t>(error) << error_shift | (std::uint64_t{domain.id.value()} + 1);
    }
    [[nodiscard]] bool is_first() const { return word_ == 0; }
    [[nodiscard]] std::uint64_t domain() const { return (word_ & ((1ULL << error_shift) - 1)) - 1; }
    [[nodiscard]] Error error() const { return static_cast<Error>(word_ >> error_shift); }
    [[nodiscard]] bool failed() const { return word_ >> error_shift != 0; }

  private:
    static constexpr unsigned error_shift = 32;
    std::uint64_t word_;
};

// A domain that cannot be finished goes, and the call answers why.
HypercallResult take_apart(HypercallContext& context, Domain& domain, Error why) {
    const auto word = Begun::word(domain, static_cast<std::int64_t>(why));
    if (const auto gone = destroy_domain(domain); !gone && gone.error() == Error::restart) {
        context.arguments[2] = word;
        return fail(Error::restart);
    }
    return fail(why);
}

Result<DomainSpec> spec_of(const control::CreateDomain& request) {
    if (request.pae > 1 || request.weight > heaviest_domain || request.cap > 100 * landmark::max_pcpus ||
        !is_time_rule(request))
        return fail(Error::invalid);
    DomainSpec spec{.name = {},
                    .privileged = false,
                    .frames = request.frames,
                    .max_frames = request.max_frames,
                    .vcpus = request.vcpus,
                    .weight = request.weight,
                    .cap = request.cap,
                    .time = {request.time_mode, request.dilation},
                    .pae = request.pae != 0,
                    .sched_values = request.sched_values,
                    .memory_values = request.memory_values};
    std::memcpy(spec.name, request.name, sizeof spec.name - 1);
    for (char& c : spec.name)
        if (c != '\0' && (c < ' ' || c > '~'))
            c = '?';
    return spec;
}

// The parts of a creation that have no continuation. Answers restart if the rest is for another call.
Result<> begin(Domain& domain, const DomainSpec& spec) {
    BULKHEAD_TRY(furnish_domain(domain, spec));
    return machine::should_preempt() ? Result<>{fail(Error::restart)} : create_vcpus(domain);
}

} // namespace

HypercallResult create_by_call(HypercallContext& context, std::uint64_t argument, std::uint64_t word) {
    const Begun begun{word};
    const GuestPtr<control::CreateDomain> where{argument};
    auto request = where.read();
    if (!request)
        return fail(request.error());
    const auto spec = spec_of(*request);
    if (!spec)
        return fail(spec.error());
    if (begun.is_first() && spec->pae)
        BULKHEAD_TRY(pae::prepare_m2p());
    const auto domain =
        begun.is_first() ? create_domain(*spec) : other_domain(context.domain, begun.domain());
    if (!domain)
        return fail(domain.error());
    if (begun.failed())
        return take_apart(context, **domain, begun.error());
    const auto done = begun.is_first() ? begin(**domain, *spec) : create_vcpus(**domain);
    if (!done && done.error() != Error::restart)
        return take_apart(context, **domain, done.error());
    if (!done)
        context.arguments[2] = Begun::word(**domain, 0);
    BULKHEAD_TRY(done);
    request->id = (*domain)->id.value();
    request->shared_info_mfn = (*domain)->shared_frame.value();
    BULKHEAD_TRY(where.write(*request));
    return 0;
}

} // namespace bulkhead::hv
