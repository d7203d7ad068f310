// Layers of tree.hpp: shadows of nodes that a transaction changed, made or removed. A node of the tree may go
// while shadows cover it; whatever a shadow says of it is checked by serial.
#include "guest/dom0/xenstore/tree.hpp"

namespace bulkhead::xenstore {

NodeId Tree::root(const Layer* layer) const {
    const NodeId shadow = layer != nullptr && layer->first != 0 ? shadow_of(layer, 1) : 0;
    return shadow != 0 ? shadow : 1;
}

// The layer's shadow of a node of the tree, 0 for none.
NodeId Tree::shadow_of(const Layer* layer, NodeId node) const {
    const auto hash = nodes_[node].hash;
    for (NodeId id = bucket(hash, layer); id != 0; id = nodes_[id].chain) {
        meter().add(1);
        if (nodes_[id].layer == layer && nodes_[id].base == node && nodes_[id].above == nodes_[node].above)
            return id;
    }
    return 0;
}

// The node of the tree whose contents are seen through `node`: itself, what a shadow covers, or 0.
NodeId Tree::covered(NodeId node) const {
    if (nodes_[node].layer == nullptr)
        return node;
    const Node& base = nodes_[nodes_[node].base];
    return base.layer == nullptr && base.serial == nodes_[node].serial ? nodes_[node].base : 0;
}

Text Tree::value(NodeId node) const {
    return nodes_[node].own_value ? nodes_[node].value : nodes_[covered(node)].value;
}

void Tree::link(Layer& layer, NodeId shadow) {
    nodes_[shadow].layer = &layer;
    nodes_[shadow].next = layer.first;
    layer.first = shadow;
    enter(shadow);
    charge_node(nodes_[shadow], true);
    note(Change::Kind::created, shadow);
}

// The node that a change in the layer may touch: in the tree itself, elsewhere the shadow, which is made now
// if there is none.
Result<NodeId> Tree::own(Layer* layer, NodeId at) {
    if (layer == nullptr || nodes_[at].layer != nullptr)
        return at;
    std::array<char, max_absolute_path> name;
    const auto made =
        take_node(blocks_.copy(nodes_[at].name, name), layer->payer, {.nodes = 0, .shadows = 1});
    if (!made)
        return made;
    Node& node = nodes_[*made];
    node.base = at;
    node.hash = nodes_[at].hash;
    node.serial = nodes_[at].serial;
    node.above = nodes_[at].above;
    node.permissions = nodes_[at].permissions;
    link(*layer, *made);
    return made;
}

Result<NodeId> Tree::create_shadow(Layer& layer, NodeId parent, std::string_view name,
                                   const Permissions& permissions) {
    const auto hash = below(nodes_[parent].hash, name);
    if (const NodeId old = look_up(&layer, nodes_[parent].serial, hash, name); old != 0) { // it was removed
        Node& node = nodes_[old];
        if (journal_full())
            return fail(Error::no_space);
        note(Change::Kind::revived, old);
        node.removed = false;
        node.serial = ++serials_;
        node.permissions = permissions;
        return old;
    }
    const auto made = take_node(name, layer.payer, {.nodes = 0, .shadows = 1});
    if (!made)
        return made;
    Node& node = nodes_[*made];
    node.hash = hash;
    node.serial = ++serials_;
    node.above = nodes_[parent].serial;
    node.own_value = true;
    node.permissions = permissions;
    link(layer, *made);
    return made;
}

// With another serial, nothing that is below is seen any more.
Result<> Tree::remove_in(Layer& layer, NodeId at) {
    const auto shadow = own(&layer, at);
    if (!shadow)
        return fail(shadow.error());
    if (journal_full())
        return fail(Error::no_space);
    Node& node = nodes_[*shadow];
    note(Change::Kind::removed, *shadow);
    charge_node(node, false);
    node.value = {};
    node.own_value = true;
    node.removed = true;
    node.serial = ++serials_;
    charge_node(node, true);
    return {};
}

void Tree::drop(Layer& layer) {
    while (layer.first != 0) {
        const NodeId shadow = layer.first;
        layer.first = nodes_[shadow].next;
        charge_node(nodes_[shadow], false);
        leave(shadow);
        free_node(shadow);
    }
}

} // namespace bulkhead::xenstore
