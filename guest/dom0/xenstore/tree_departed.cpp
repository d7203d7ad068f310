// What tree.hpp does for a domain that is gone.
#include "guest/dom0/xenstore/tree.hpp"

#include <algorithm>

namespace bulkhead::xenstore {

void Tree::withdraw_rights(DomainId dead) {
    const auto named = [&](const Permissions::Entry& entry) { return entry.domain == dead; };
    for (NodeId id = root(); id < nodes_.size() && usage_of(dead).rights != 0; ++id) {
        Node& node = nodes_[id];
        const auto used = std::span{node.permissions.others}.first(node.permissions.count);
        if (node.layer != nullptr || std::ranges::none_of(used, named))
            continue;
        charge_node(node, false);
        const auto gone = std::ranges::remove_if(used, named).size();
        node.permissions.count = static_cast<std::uint8_t>(node.permissions.count - gone);
        charge_node(node, true);
    }
}

// Free nodes belong to domain 0.
NodeId Tree::next_owned_by(DomainId dead, NodeId from) const {
    for (NodeId id = from; id < nodes_.size() && usage(dead).nodes != 0; ++id)
        if (nodes_[id].layer == nullptr && nodes_[id].permissions.owner == dead)
            return id;
    return 0;
}

std::string_view Tree::path_of(NodeId node, std::span<char> out) const {
    auto at = out.size();
    for (; node != root(); node = nodes_[node].parent) {
        const auto name = nodes_[node].name;
        at -= name.length;
        blocks_.copy(name, out.subspan(at, name.length));
        out[--at] = '/';
    }
    return {out.data() + at, out.size() - at};
}

} // namespace bulkhead::xenstore
