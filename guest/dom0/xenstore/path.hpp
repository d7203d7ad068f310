// A checked absolute path of the tree. Text from a guest becomes a Path or an error; nothing else walks the
// tree.
#pragma once

#include "abi/types.hpp"
#include "guest/dom0/xenstore/error.hpp"

namespace bulkhead::xenstore {

inline constexpr std::size_t max_absolute_path = 3072, max_relative_path = 2048; // XENSTORE_*_PATH_MAX
inline constexpr std::string_view domains = "/local/domain/";

inline constexpr std::size_t max_domains = 0x7ff0; // DOMID_FIRST_RESERVED: identifiers are below

// The part of the tree a path is in: one domain's home, or everything outside of all homes.
using Home = std::uint32_t;
inline constexpr Home outside_homes = ~Home{0};

class Path {
  public:
    Path() = default;
    // A relative path starts at /local/domain/<reader>. Error::invalid for text that is not a path.
    [[nodiscard]] static Result<Path> parse(std::string_view text, DomainId reader);
    [[nodiscard]] static Path home_of(DomainId domain);

    [[nodiscard]] std::string_view text() const { return {text_.data(), length_}; }
    [[nodiscard]] bool is_root() const { return length_ == 1; }
    [[nodiscard]] Home home() const;
    // This path with one more name; the name must be valid and fit.
    [[nodiscard]] Path operator/(std::string_view name) const;

  private:
    void append(std::string_view text);

    std::array<char, max_absolute_path> text_;
    std::size_t length_ = 0;
};

// Takes the first name off `rest`, which is a path's text or what is left of it. Empty at the end.
std::string_view take_name(std::string_view& rest);

// Whether `path` is `above` or lies below it. Both are texts of Paths.
[[nodiscard]] bool is_at_or_below(std::string_view path, std::string_view above);

// Decimal, no sign, at most `most`.
[[nodiscard]] Result<std::uint32_t> parse_decimal(std::string_view text, std::uint32_t most);

// Decimal digits of a number.
class Decimal {
  public:
    explicit Decimal(std::uint64_t value);
    [[nodiscard]] std::string_view text() const { return {digits_.data() + first_, digits_.size() - first_}; }

  private:
    std::array<char, 20> digits_{};
    std::size_t first_ = 0;
};

} // namespace bulkhead::xenstore
