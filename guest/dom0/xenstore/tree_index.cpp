// The index of tree.hpp: chains of nodes by the hash of their path. The heads of the chains lie in the nodes
// too, so the index is as large as the storage, and empty nodes cost nothing.
#include "guest/dom0/xenstore/tree.hpp"

namespace bulkhead::xenstore {

NodeId& Tree::bucket(PathHash hash, const Layer* layer) const {
    const auto salted = layer != nullptr ? mix(hash, layer->salt) : hash;
    return nodes_[salted % nodes_.size()].bucket;
}

void Tree::enter(NodeId id) {
    Node& node = nodes_[id];
    NodeId& head = bucket(node.hash, node.layer);
    node.chain = head;
    head = id;
}

// Nothing happens to a node that is not in the index.
void Tree::leave(NodeId id) {
    NodeId* link = &bucket(nodes_[id].hash, nodes_[id].layer);
    while (*link != 0 && *link != id) {
        meter().add(1);
        link = &nodes_[*link].chain;
    }
    if (*link == id)
        *link = nodes_[id].chain;
}

NodeId Tree::look_up(const Layer* layer, Serial above, PathHash hash, std::string_view name) const {
    for (NodeId id = bucket(hash, layer); id != 0; id = nodes_[id].chain) {
        const Node& node = nodes_[id];
        meter().add(1);
        if (node.hash == hash && node.above == above && node.layer == layer &&
            blocks_.equals(node.name, name))
            return id;
    }
    return 0;
}

NodeId Tree::child(const Layer* layer, NodeId at, std::string_view name) const {
    const Node& node = nodes_[at];
    const auto hash = below(node.hash, name);
    if (layer != nullptr && layer->first != 0)
        if (const NodeId shadow = look_up(layer, node.serial, hash, name); shadow != 0)
            return nodes_[shadow].removed ? 0 : shadow;
    return look_up(nullptr, node.serial, hash, name);
}

} // namespace bulkhead::xenstore
