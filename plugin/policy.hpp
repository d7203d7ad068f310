// What the contracts of all kinds of policy have in common: texts, services, defaults, and the descriptor
// made from a typed class. This header must never know a hook: hooks belong to the kinds.
#pragma once

#include "abi/plugin.hpp"

#include <iterator>
#include <new>

namespace bulkhead::plugin {

// What a policy can allocate in all (Services::allocate), its own object included.
inline constexpr std::size_t arena_bytes = std::size_t{4} << 20;

// What a policy does not promise. Tests and hosts read it; by default everything is promised.
enum class Trait : std::uint32_t {
    idles = 1,      // may leave its resource (pCPUs, a device, frames) unused while it is waited for
    misbehaves = 2, // breaks the contract if its parameters say so
    ignores_weights = 4,
    ignores_caps = 8,
    ignores_preferences = 16, // of schedulers: for pCPUs
    ignores_completions = 32, // of ring policies: `complete` does nothing and is not called
    fixes_values = 64,        // a domain's parameters stay as they were when it came
};

// The policy's description: what `bulkhead list policies` and the documentation print.
struct Text {
    const char* name;
    const char* summary;
    const char* good_at;
    const char* bad_at;
    const char* source;
};

// The services that every kind has, typed. Copyable; a policy keeps one.
class Services {
  public:
    explicit Services(const Host& host) : host_{&host} {}
    [[nodiscard]] RealTime now() const { return host_->now(host_->context); }
    [[nodiscard]] std::uint64_t random() const { return host_->random(host_->context); }
    void note(std::uint64_t code, std::uint64_t value) const { host_->note(host_->context, code, value); }
    // One zeroed T from the policy's arena, or nullptr.
    template<class T>
    [[nodiscard]] T* allocate() const {
        void* memory = host_->allocate(host_->context, sizeof(T), alignof(T));
        return memory == nullptr ? nullptr : ::new (memory) T{};
    }

  protected:
    [[nodiscard]] const Host& host() const { return *host_; }

  private:
    const Host* host_;
};

// What every kind's base of policies begins with.
struct Defaults {
    static constexpr Parameter* parameters = nullptr;
    static constexpr Parameter* domain_parameters = nullptr; // at most max_domain_parameters
    static constexpr bool work_conserving = true;            // false: Trait::idles
    static constexpr bool well_behaved = true;               // false: Trait::misbehaves
    static constexpr bool honours_weights = true;            // false: Trait::ignores_weights
    static constexpr bool honours_caps = true;               // false: Trait::ignores_caps
    static constexpr bool honours_preferences = true;        // false: Trait::ignores_preferences
    static constexpr bool changes_values = true;             // false: Trait::fixes_values
};

consteval std::uint32_t trait_unless(bool promised, Trait trait) {
    return promised ? 0 : static_cast<std::uint32_t>(trait);
}

template<class P>
consteval std::uint32_t parameter_count() {
    if constexpr (requires { std::size(P::parameters); })
        return static_cast<std::uint32_t>(std::size(P::parameters));
    else
        return 0;
}

template<class P>
consteval std::uint32_t domain_parameter_count() {
    if constexpr (requires { std::size(P::domain_parameters); })
        return static_cast<std::uint32_t>(std::size(P::domain_parameters));
    else
        return 0;
}

// The descriptor of a typed class. Sizes that only one kind has are left for that kind to fill in.
template<class P>
consteval Descriptor describe(Kind kind, const void* hooks) {
    static_assert(parameter_count<P>() <= max_parameters);
    static_assert(domain_parameter_count<P>() <= max_domain_parameters);
    return {
        .magic = magic,
        .abi_version = abi_version,
        .kind = kind,
        .name = P::text.name,
        .summary = P::text.summary,
        .good_at = P::text.good_at,
        .bad_at = P::text.bad_at,
        .source = P::text.source,
        .parameters = P::parameters,
        .parameter_count = parameter_count<P>(),
        .policy_bytes = sizeof(P),
        .domain_bytes = sizeof(typename P::Domain),
        .vcpu_bytes = 0,
        .pcpu_bytes = 0,
        .traits = trait_unless(P::work_conserving, Trait::idles) |
                  trait_unless(P::well_behaved, Trait::misbehaves) |
                  trait_unless(P::honours_weights, Trait::ignores_weights) |
                  trait_unless(P::honours_caps, Trait::ignores_caps) |
                  trait_unless(P::honours_preferences, Trait::ignores_preferences) |
                  trait_unless(P::changes_values, Trait::fixes_values),
        .hooks = hooks,
        .domain_parameters = P::domain_parameters,
        .domain_parameter_count = domain_parameter_count<P>(),
    };
}

} // namespace bulkhead::plugin

// Exports the one symbol of a plug-in. `Registration` has a static member `descriptor`.
#define BULKHEAD_EXPORT_POLICY(Registration)                                                                 \
    extern "C" {                                                                                             \
    extern const bulkhead::plugin::Descriptor bulkhead_policy __attribute__((visibility("default")));        \
    constinit const bulkhead::plugin::Descriptor bulkhead_policy = Registration::descriptor;                 \
    }
