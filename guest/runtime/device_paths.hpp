// The xenstore paths of one device of the guest, and waiting for its other end.
#pragma once

#include "guest/runtime/clock.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/xenstore.hpp"

#include <algorithm>
#include <array>

namespace bulkhead::guest {

// A text lasts until the next one is made.
class DevicePaths {
  public:
    // `kind` as in xenstore: "vbd" or "vif".
    DevicePaths(std::string_view kind, std::uint32_t device) : kind_{kind}, device_{device} {}
    [[nodiscard]] std::string_view own(std::string_view leaf) {
        return format(std::span<char>{text_}, "device/{}/{}/{}", kind_, device_, leaf);
    }
    [[nodiscard]] Result<std::string_view> other(std::string_view leaf) {
        if (back_length_ == 0) {
            const auto path = xenstore::read(own("backend"));
            if (!path)
                return std::unexpected{path.error()};
            back_length_ = std::min(path->size(), back_.size());
            std::copy_n(path->data(), back_length_, back_.data());
        }
        const std::string_view back{back_.data(), back_length_};
        return format(std::span<char>{text_}, "{}/{}", back, leaf);
    }
    [[nodiscard]] Result<std::uint64_t> read_other(std::string_view leaf) {
        const auto path = other(leaf);
        return path ? xenstore::read_number(*path) : Result<std::uint64_t>{std::unexpected{path.error()}};
    }
    // The back end's state, at last.
    Status await(std::uint64_t state) {
        for (const GuestTime deadline = now() + longest_connection;;) {
            const auto found = read_other("state");
            if (!found)
                return std::unexpected{found.error()};
            if (*found == state)
                return {};
            if (now() >= deadline)
                return std::unexpected{Error::timed_out};
            sleep(microseconds(200));
        }
    }

  private:
    static constexpr Nanos longest_connection = milliseconds(1000);

    std::string_view kind_;
    std::uint32_t device_;
    std::array<char, 128> text_{}, back_{};
    std::size_t back_length_ = 0;
};

} // namespace bulkhead::guest
