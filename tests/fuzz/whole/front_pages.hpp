// The pages of a guest that has front ends, and what its back ends may do to them: an entry of the grant
// table for each page, and a copy of what the guest put there.
#pragma once

#include "hv/domain/domain.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::hv::whole {

class FrontPages {
  public:
    using Page = std::array<std::byte, page_bytes>;

    // The domain's memory is as its builder left it.
    explicit FrontPages(const Domain& domain);

    [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(pages_.size()); }
    // The last pages are the rings, the one before is the list of an indirect request.
    [[nodiscard]] std::uint32_t block_ring() const { return count() - 1; }
    [[nodiscard]] std::uint32_t tx_ring() const { return count() - 2; }
    [[nodiscard]] std::uint32_t rx_ring() const { return count() - 3; }
    [[nodiscard]] std::uint32_t list() const { return count() - 4; }
    [[nodiscard]] bool is_ring(std::uint32_t page) const { return page >= rx_ring(); }

    [[nodiscard]] Mfn mfn(std::uint32_t page) const { return pages_[page].mfn; }
    template<class T>
    [[nodiscard]] T& as(std::uint32_t page) const {
        return *reinterpret_cast<T*>(bytes(page));
    }
    [[nodiscard]] static std::uint32_t ref(std::uint32_t page) { return 8 + page; }
    // Data pages that are not in use; one of them, or 0, which never is one.
    [[nodiscard]] std::uint32_t find_free() const;
    // The guest puts bytes into its page.
    void fill(std::uint32_t page, std::uint32_t offset, const void* from, std::uint32_t bytes);
    // Lends a page to the back end, which may change it from `first` up to `end`, if at all.
    void lend(const Domain& domain, std::uint32_t page, std::uint32_t first = 0, std::uint32_t end = 0);
    // It is the guest's alone again, with what is in it now. False: the back end still uses it.
    [[nodiscard]] bool take_back(const Domain& domain, std::uint32_t page);
    // A page that the back end wrote to although it must not.
    [[nodiscard]] std::string problem() const;

  private:
    static constexpr std::uint32_t first_data = 4; // below are page tables
    struct Kept {
        Mfn mfn{};
        bool lent = false;
        std::uint32_t first = 0, end = 0; // may change
        Page copy{};
    };
    [[nodiscard]] std::byte* bytes(std::uint32_t page) const;
    std::vector<Kept> pages_;
};

} // namespace bulkhead::hv::whole
