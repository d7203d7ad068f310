// A policy's shared object as ELF: three segments, relative relocations and one exported object. Everything a
// loader relies on is judged here, so a loader that places an Object needs no check of its own. Freestanding.
#pragma once

#include "image/bytes.hpp"
#include "plugin/refusal.hpp"

#include <array>
#include <expected>
#include <optional>
#include <span>

namespace bulkhead::plugin {

inline constexpr std::uint64_t segment_page = 4096;
inline constexpr std::uint64_t largest_file = 128 << 10;
inline constexpr std::uint64_t largest_image = 1 << 20;

// The bytes of one loadable segment at their address, relative to the base.
struct Segment {
    std::uint64_t address = 0;
    image::Bytes contents{};
    [[nodiscard]] constexpr std::uint64_t end() const { return address + contents.size(); }
    [[nodiscard]] constexpr bool holds(std::uint64_t from, std::uint64_t bytes) const {
        return from >= address && image::part(contents, from - address, bytes).has_value();
    }
    // Bytes that `holds` has been asked about.
    [[nodiscard]] constexpr image::Bytes at(std::uint64_t from, std::uint64_t bytes) const {
        return contents.subspan(from - address, bytes);
    }
};

// The eight bytes at `where` become base + target.
struct Relocation {
    std::uint64_t where, target;
};

class Object {
  public:
    // The file must outlive the object.
    [[nodiscard]] static std::expected<Object, Refusal> read(image::Bytes file);

    [[nodiscard]] const Segment& constants() const { return segments_[0]; } // read only
    [[nodiscard]] const Segment& code() const { return segments_[1]; }      // read and execute
    // Written once, by the relocations; a loader may make it read only afterwards.
    [[nodiscard]] const Segment& relocated() const { return segments_[2]; }
    [[nodiscard]] std::span<const Segment> segments() const { return segments_; }
    // Whole pages from the base to the end of the last segment; at most largest_image.
    [[nodiscard]] std::uint64_t image_bytes() const {
        return (relocated().end() + segment_page - 1) / segment_page * segment_page;
    }
    [[nodiscard]] std::uint64_t descriptor() const { return descriptor_; } // address of bulkhead_policy
    [[nodiscard]] std::size_t relocation_count() const;
    [[nodiscard]] Relocation relocation(std::size_t index) const; // ascending by `where`
    // Copies the segments into `memory`, of image_bytes() bytes aligned to 8, and relocates them to `base`.
    void place(std::span<std::byte> memory, std::uint64_t base) const;

    // Are there `bytes` of relocated constants at `address`, aligned to 8 and apart from the dynamic section?
    [[nodiscard]] bool has_table(std::uint64_t address, std::uint64_t bytes) const;
    // The address that the pointer at `address` of a table leads to: 0 for a null pointer, or nothing if the
    // pointer has a value but no relocation.
    [[nodiscard]] std::optional<std::uint64_t> pointer(std::uint64_t address) const;
    // The number at `address` of a table; refused if a relocation changes it.
    template<class T>
    [[nodiscard]] std::expected<T, Refusal> number(std::uint64_t address) const {
        if (target_at(address / 8 * 8))
            return std::unexpected{Refusal{.reason = Reason::relocated_number, .found = address}};
        return *image::read<T>(relocated().contents, address - relocated().address);
    }

  private:
    struct Dynamic;
    using Judged = std::expected<void, Refusal>;
    Judged read_header(image::Bytes file);
    Judged read_segments(image::Bytes file);
    Judged judge_sections(image::Bytes file) const;
    Judged read_dynamic();
    Judged read_symbols(const Dynamic& dynamic);
    Judged read_exports(image::Bytes symbols, image::Bytes names);
    Judged read_relocations(const Dynamic& dynamic);
    Judged judge_relocation(std::size_t index, std::uint64_t free_from) const;
    [[nodiscard]] std::optional<std::uint64_t> target_at(std::uint64_t where) const;
    [[nodiscard]] bool meets_dynamic(std::uint64_t address, std::uint64_t bytes) const;

    std::array<Segment, 3> segments_{};
    Segment dynamic_{};
    image::Bytes relocations_{};
    std::uint64_t descriptor_ = 0;
};

} // namespace bulkhead::plugin
