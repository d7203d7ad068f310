// The bytes of a fuzzer's input as choices.
#pragma once

#include <cstdint>
#include <span>

namespace bulkhead::hv::test {

class Input {
  public:
    explicit Input(std::span<const std::uint8_t> bytes) : bytes_{bytes} {}
    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] std::uint8_t byte() {
        if (bytes_.empty())
            return 0;
        const auto first = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return first;
    }
    // The next byte, which remains; 0 at the end.
    [[nodiscard]] std::uint8_t peek() const { return bytes_.empty() ? std::uint8_t{0} : bytes_.front(); }
    [[nodiscard]] std::uint32_t below(std::uint32_t limit) { return byte() % limit; }
    // Of a few values, each as likely as the others.
    template<class T, std::size_t n>
    [[nodiscard]] const T& of(const T (&values)[n]) {
        return values[below(n)];
    }

  private:
    std::span<const std::uint8_t> bytes_;
};

} // namespace bulkhead::hv::test
