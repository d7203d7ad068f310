// vCPUs that wait for their turn, in one row, and for each pCPU the first one that may run there. This costs
// a few instructions where every vCPU may run on every pCPU, and logarithmic time for the others: a vCPU that
// may not use a pCPU is never looked at there.
#pragma once

#include "abi/types.hpp"
#include "plugin/tree.hpp"

#include <boost/intrusive/list.hpp>

namespace bulkhead::plugin {

inline constexpr std::uint64_t every_pcpu = ~std::uint64_t{0};

[[nodiscard]] constexpr bool reaches(std::uint64_t affinity, PcpuId pcpu) {
    return (affinity >> pcpu.value() & 1) != 0;
}

// Base of what waits in Turns; the object has a member `affinity`, which does not change meanwhile.
template<class Tag = void>
struct TurnHook : boost::intrusive::list_base_hook<boost::intrusive::tag<TurnHook<Tag>>>,
                  TreeHook<std::uint64_t, TurnHook<Tag>> {
    using Row = boost::intrusive::list_base_hook<boost::intrusive::tag<TurnHook<Tag>>>;
    std::uint64_t ticket; // the lower one is first
    [[nodiscard]] bool waits() const { return Row::is_linked() || this->in_tree(); }
};

template<class V, class Tag = void>
class Turns {
  public:
    [[nodiscard]] bool empty() const { return free_.empty() && bound_.empty(); }
    void push_back(V& vcpu) { insert(vcpu, ++last_, free_.end()); }
    void push_front(V& vcpu) { insert(vcpu, --first_, free_.begin()); }
    void erase(V& vcpu) {
        if (vcpu.affinity == every_pcpu)
            free_.erase(free_.iterator_to(vcpu));
        else
            bound_.erase(vcpu);
    }
    // The first one that may run on this pCPU; nullptr if there is none.
    [[nodiscard]] V* first_for(PcpuId pcpu) {
        V* const free = free_.empty() ? nullptr : &free_.front();
        return bound_.empty() ? free : first_of(free, pcpu);
    }
    // Bit n: some may run on pCPU n.
    [[nodiscard]] std::uint64_t reach() const {
        if (!free_.empty())
            return every_pcpu;
        return bound_.empty() ? 0 : bound_.whole();
    }

  private:
    [[nodiscard, gnu::noinline]] V* first_of(V* free, PcpuId pcpu) {
        V* const bound = bound_.find([pcpu](std::uint64_t affinity) { return reaches(affinity, pcpu); });
        return free == nullptr || (bound != nullptr && ticket_of(*bound) < ticket_of(*free)) ? bound : free;
    }
    using Hook = TurnHook<Tag>;
    static std::uint64_t ticket_of(const V& vcpu) { return static_cast<const TurnHook<Tag>&>(vcpu).ticket; }
    struct ByTicket {
        using Hook = TreeHook<std::uint64_t, TurnHook<Tag>>;
        static bool before(const V& a, const V& b) { return ticket_of(a) < ticket_of(b); }
        static std::uint64_t own(const V& vcpu) { return vcpu.affinity; }
        static std::uint64_t join(std::uint64_t a, std::uint64_t b) { return a | b; }
    };
    using Free = boost::intrusive::list<V, boost::intrusive::base_hook<typename Hook::Row>,
                                        boost::intrusive::constant_time_size<false>>;

    void insert(V& vcpu, std::uint64_t ticket, const typename Free::iterator& at) {
        static_cast<Hook&>(vcpu).ticket = ticket;
        if (vcpu.affinity == every_pcpu)
            free_.insert(at, vcpu);
        else
            bound_.insert(vcpu);
    }

    Free free_;               // may run everywhere
    Tree<V, ByTicket> bound_; // may not
    std::uint64_t first_ = std::uint64_t{1} << 63, last_ = std::uint64_t{1} << 63;
};

} // namespace bulkhead::plugin
