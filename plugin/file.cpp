#include "plugin/file.hpp"

#include "memctl/contract.hpp"
#include "plugin/text.hpp"
#include "ringctl/contract.hpp"
#include "sched/contract.hpp"

namespace bulkhead::plugin {

namespace {

using Judged = std::expected<void, Refusal>;

// A policy's type whose size a 32-bit number in the descriptor or the hook table gives.
struct ObjectSize {
    std::string_view name;
    std::uint64_t offset;
    std::uint64_t least, most;
};

// What a kind's contract adds to the descriptor. From `first_hook` to its end the hook table is pointers to
// functions.
struct Shape {
    std::uint64_t hooks_bytes, first_hook;
    std::uint64_t domain_bytes, vcpu_bytes,
        pcpu_bytes; // the contract's own parts; 0 for types the kind has not
    std::array<ObjectSize, 2> in_hooks{};
};

constexpr Shape shape_of(Kind kind) {
    switch (kind) {
    case Kind::memory:
        return {sizeof(memctl::Hooks), offsetof(memctl::Hooks, create), sizeof(memctl::Domain), 0, 0};
    case Kind::ring:
        return {sizeof(ringctl::Hooks),
                offsetof(ringctl::Hooks, create),
                sizeof(ringctl::Domain),
                0,
                0,
                {{{"Ring type", offsetof(ringctl::Hooks, ring_bytes), sizeof(ringctl::Ring), largest_object},
                  {"Request type", offsetof(ringctl::Hooks, request_bytes), sizeof(ringctl::Request),
                   largest_object}}}};
    default:
        return {sizeof(sched::Hooks), offsetof(sched::Hooks, create), sizeof(sched::Domain),
                sizeof(sched::Vcpu), sizeof(sched::Pcpu)};
    }
}

// Judges the descriptor and all that it leads to, in the order of the descriptor's fields that decide about
// others.
class Reader {
  public:
    Reader(const Object& object, std::optional<Kind> wanted) : wanted_{wanted} { file_.object = object; }

    std::expected<File, Refusal> read() {
        for (const auto step : {&Reader::identity, &Reader::texts, &Reader::sizes, &Reader::hooks})
            if (const auto judged = (this->*step)(); !judged)
                return std::unexpected{judged.error()};
        if (const auto judged = table(file_.parameters, offsetof(Descriptor, parameters),
                                      offsetof(Descriptor, parameter_count), "parameters");
            !judged)
            return std::unexpected{judged.error()};
        if (const auto judged = table(file_.domain_parameters, offsetof(Descriptor, domain_parameters),
                                      offsetof(Descriptor, domain_parameter_count), "parameters of domains");
            !judged)
            return std::unexpected{judged.error()};
        return file_;
    }

  private:
    [[nodiscard]] const Object& object() const { return file_.object; }
    [[nodiscard]] std::uint64_t field(std::uint64_t offset) const { return object().descriptor() + offset; }
    [[nodiscard]] static std::unexpected<Refusal> refuse(Refusal refusal) { return std::unexpected{refusal}; }

    Judged identity();
    Judged kind_and_traits();
    Judged texts();
    Judged sizes();
    Judged size(std::uint64_t base, const ObjectSize& bounds) const;
    Judged hooks();
    template<std::size_t most>
    Judged table(ParameterTexts<most>& rows, std::uint64_t first, std::uint64_t count, std::string_view what);
    [[nodiscard]] std::expected<ParameterText, Refusal> row(std::uint64_t address) const;
    [[nodiscard]] std::expected<std::string_view, Refusal> text(std::uint64_t address, std::string_view what,
                                                                std::string_view owner) const;
    [[nodiscard]] std::expected<std::string_view, Refusal> name(std::uint64_t address,
                                                                std::string_view owner) const;

    std::optional<Kind> wanted_;
    File file_{};
};

// Magic and version come first: the rest of the descriptor, and its size, are the version's.
Judged Reader::identity() {
    if (!object().has_table(object().descriptor(), offsetof(Descriptor, name)))
        return refuse({.reason = Reason::descriptor_place});
    const auto found = object().number<std::uint64_t>(field(offsetof(Descriptor, magic)));
    const auto version = object().number<std::uint32_t>(field(offsetof(Descriptor, abi_version)));
    if (!found || *found != magic)
        return refuse({.reason = Reason::wrong_magic});
    if (!version)
        return refuse(version.error());
    if (*version != abi_version)
        return refuse({.reason = Reason::wrong_version, .found = *version, .most = abi_version});
    if (!object().has_table(object().descriptor(), sizeof(Descriptor)))
        return refuse({.reason = Reason::descriptor_place});
    return kind_and_traits();
}

Judged Reader::kind_and_traits() {
    const auto kind = object().number<std::uint32_t>(field(offsetof(Descriptor, kind)));
    const auto traits = object().number<std::uint32_t>(field(offsetof(Descriptor, traits)));
    if (!kind || !traits)
        return refuse(kind ? traits.error() : kind.error());
    file_.kind = Kind{*kind};
    file_.traits = *traits;
    if (name_of(file_.kind).empty())
        return refuse({.reason = Reason::unknown_kind, .found = *kind});
    if (wanted_ && file_.kind != *wanted_)
        return refuse(
            {.reason = Reason::wrong_kind, .text = name_of(file_.kind), .other = name_of(*wanted_)});
    constexpr auto known =
        trait_unless(false, Trait::idles) | trait_unless(false, Trait::misbehaves) |
        trait_unless(false, Trait::ignores_weights) | trait_unless(false, Trait::ignores_caps) |
        trait_unless(false, Trait::ignores_preferences) | trait_unless(false, Trait::ignores_completions) |
        trait_unless(false, Trait::fixes_values);
    if ((*traits & ~known) != 0)
        return refuse({.reason = Reason::unknown_traits, .found = *traits});
    return {};
}

Judged Reader::texts() {
    const auto found = name(field(offsetof(Descriptor, name)), "the policy");
    if (!found)
        return refuse(found.error());
    file_.name = *found;
    struct Optional {
        std::string_view what;
        std::uint64_t offset;
        std::string_view File::* kept;
    };
    constexpr Optional optional[] = {{"summary", offsetof(Descriptor, summary), &File::summary},
                                     {"good_at", offsetof(Descriptor, good_at), &File::good_at},
                                     {"bad_at", offsetof(Descriptor, bad_at), &File::bad_at},
                                     {"source", offsetof(Descriptor, source), &File::source}};
    for (const auto& [what, offset, kept] : optional) {
        if (object().pointer(field(offset)) == 0)
            continue;
        const auto read = text(field(offset), what, "the policy");
        if (!read)
            return refuse(read.error());
        file_.*kept = *read;
    }
    return {};
}

Judged Reader::sizes() {
    const Shape shape = shape_of(file_.kind);
    const auto most = [](std::uint64_t least) { return least == 0 ? 0 : std::uint64_t{largest_object}; };
    const ObjectSize bounds[] = {
        {"class", offsetof(Descriptor, policy_bytes), 1, largest_policy},
        {"Domain type", offsetof(Descriptor, domain_bytes), shape.domain_bytes, largest_object},
        {"Vcpu type", offsetof(Descriptor, vcpu_bytes), shape.vcpu_bytes, most(shape.vcpu_bytes)},
        {"Pcpu type", offsetof(Descriptor, pcpu_bytes), shape.pcpu_bytes, most(shape.pcpu_bytes)}};
    for (const auto& one : bounds)
        if (const auto judged = size(object().descriptor(), one); !judged)
            return judged;
    return {};
}

Judged Reader::size(std::uint64_t base, const ObjectSize& bounds) const {
    const auto bytes = object().number<std::uint32_t>(base + bounds.offset);
    if (!bytes)
        return refuse(bytes.error());
    if (*bytes < bounds.least || *bytes > bounds.most)
        return refuse({.reason = Reason::object_size,
                       .found = *bytes,
                       .least = bounds.least,
                       .most = bounds.most,
                       .text = bounds.name});
    return {};
}

Judged Reader::hooks() {
    const Shape shape = shape_of(file_.kind);
    const auto at = object().pointer(field(offsetof(Descriptor, hooks)));
    if (!at || !object().has_table(*at, shape.hooks_bytes))
        return refuse({.reason = Reason::table_place, .text = "hooks"});
    for (const auto& one : shape.in_hooks)
        if (!one.name.empty())
            if (const auto judged = size(*at, one); !judged)
                return judged;
    for (std::uint64_t slot = shape.first_hook; slot < shape.hooks_bytes; slot += sizeof(void*)) {
        const auto hook = object().pointer(*at + slot);
        if (!hook || !object().code().holds(*hook, 1))
            return refuse({.reason = Reason::hook_place, .found = (slot - shape.first_hook) / sizeof(void*)});
    }
    return {};
}

template<std::size_t most>
Judged Reader::table(ParameterTexts<most>& rows, std::uint64_t first, std::uint64_t count,
                     std::string_view what) {
    using Count = std::conditional_t<most == max_parameters, decltype(Descriptor::parameter_count),
                                     decltype(Descriptor::domain_parameter_count)>;
    const auto declared = object().number<Count>(field(count));
    if (!declared)
        return refuse(declared.error());
    if (*declared > most)
        return refuse({.reason = Reason::parameter_count, .found = *declared, .most = most, .text = what});
    const auto at = object().pointer(field(first));
    if (*declared != 0 && (!at || !object().has_table(*at, *declared * sizeof(Parameter))))
        return refuse({.reason = Reason::table_place, .text = what});
    for (std::uint64_t i = 0; i < *declared; ++i) {
        const auto read = row(*at + i * sizeof(Parameter));
        if (!read)
            return refuse(read.error());
        if (std::ranges::find(rows.rows(), read->name, &ParameterText::name) != rows.rows().end())
            return refuse({.reason = Reason::repeated_parameter, .text = read->name});
        rows.add(*read);
    }
    return {};
}

std::expected<ParameterText, Refusal> Reader::row(std::uint64_t address) const {
    const auto called = name(address + offsetof(Parameter, name), "a parameter");
    if (!called)
        return refuse(called.error());
    const auto unit = text(address + offsetof(Parameter, unit), "unit", *called);
    const auto help = text(address + offsetof(Parameter, help), "help", *called);
    if (!unit || !help)
        return refuse(unit ? help.error() : unit.error());
    const auto initial = object().number<std::int64_t>(address + offsetof(Parameter, initial));
    const auto least = object().number<std::int64_t>(address + offsetof(Parameter, least));
    const auto most = object().number<std::int64_t>(address + offsetof(Parameter, most));
    if (!initial || !least || !most)
        return refuse(!initial ? initial.error() : !least ? least.error() : most.error());
    if (*least > *initial || *initial > *most)
        return refuse({.reason = Reason::parameter_bounds, .text = *called});
    return ParameterText{*called, *unit, *help, *initial, *least, *most};
}

// The text that the pointer at `address` leads to: not empty, printable, with its zero in the constants.
std::expected<std::string_view, Refusal> Reader::text(std::uint64_t address, std::string_view what,
                                                      std::string_view owner) const {
    const auto& constants = object().constants();
    const auto at = object().pointer(address);
    const auto left = at && constants.holds(*at, 0) ? constants.end() - *at : 0;
    const auto found = left == 0
                           ? std::string_view{}
                           : image::text_before_zero(constants.at(*at, std::min(left, longest_text + 1)));
    if (found.empty() || found.size() == std::min(left, longest_text + 1))
        return refuse({.reason = Reason::text_place, .most = longest_text, .text = what, .other = owner});
    if (!is_printable(found))
        return refuse({.reason = Reason::text_encoding, .text = what, .other = owner});
    return found;
}

std::expected<std::string_view, Refusal> Reader::name(std::uint64_t address, std::string_view owner) const {
    const auto found = text(address, "name", owner);
    if (found && (!is_name(*found) || found->size() > longest_name))
        return refuse({.reason = Reason::bad_name, .most = longest_name, .text = owner, .other = *found});
    return found;
}

} // namespace

std::expected<File, Refusal> read_file(image::Bytes file, std::optional<Kind> wanted) {
    const auto object = Object::read(file);
    if (!object)
        return std::unexpected{object.error()};
    return Reader{*object, wanted}.read();
}

} // namespace bulkhead::plugin
