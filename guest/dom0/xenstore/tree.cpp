// See tree.hpp. Nodes that a change takes out of the tree stay in storage until commit, because a roll-back
// needs them; charges follow the visible tree at once.
#include "guest/dom0/xenstore/tree.hpp"

namespace bulkhead::xenstore {

void Tree::start(const Storage& storage, const Quota& quota) {
    nodes_ = storage.nodes;
    journal_ = storage.journal;
    usage_ = storage.usage;
    quota_ = quota;
    journal_used_ = 0;
    blocks_.start(storage.blocks);
    free_ = 0;
    for (auto i = static_cast<NodeId>(nodes_.size()); i-- > 1;) {
        nodes_[i] = {};
        nodes_[i].next = free_;
        free_ = i;
    }
    nodes_[0] = {};
    free_ = nodes_[root()].next;
    Node& top = nodes_[root()];
    top.next = 0;
    top.hash = mix(storage.key, 1);
    top.serial = serials_ = 1;
    top.permissions = readable_by_all(DomainId{0});
    enter(root());
    charge_node(top, true);
}

void Tree::note(Change::Kind kind, NodeId id, NodeId previous) {
    const Node& node = nodes_[id];
    journal_[journal_used_++] = {.kind = kind,
                                 .own_value = node.own_value,
                                 .node = id,
                                 .previous = previous,
                                 .value = node.value,
                                 .permissions = node.permissions,
                                 .serial = node.serial};
}

bool Tree::within_quota(DomainId domain, Usage more) const {
    if (domain == DomainId{0})
        return true;
    const auto used = usage(domain);
    return used.nodes + more.nodes <= quota_.nodes && used.shadows + more.shadows <= quota_.shadows &&
           used.blocks + more.blocks <= quota_.blocks;
}

// A node with a name, not yet charged and in no list. The journal has room for it.
Result<NodeId> Tree::take_node(std::string_view name, DomainId payer, Usage more) {
    more.blocks += blocks_for(name.size());
    if (free_ == 0 || journal_full() || !within_quota(payer, more))
        return fail(Error::no_space);
    const auto text = blocks_.store(name);
    if (!text)
        return fail(text.error());
    const NodeId id = free_;
    free_ = nodes_[id].next;
    nodes_[id].next = 0;
    nodes_[id].name = *text;
    return id;
}

Result<NodeId> Tree::create(Layer* layer, NodeId parent, std::string_view name,
                            const Permissions& permissions) {
    if (layer != nullptr)
        return create_shadow(*layer, parent, name, permissions);
    const auto made = take_node(name, permissions.owner, {.nodes = 1});
    if (!made)
        return made;
    Node& node = nodes_[*made];
    node.parent = parent;
    node.hash = below(nodes_[parent].hash, name);
    node.serial = ++serials_;
    node.above = nodes_[parent].serial;
    node.permissions = permissions;
    attach(*made, nodes_[parent].last_child);
    charge_node(node, true);
    note(Change::Kind::created, *made);
    return made;
}

Result<> Tree::set_value(Layer* layer, NodeId id, std::string_view value) {
    if (nodes_[id].permissions.owner != DomainId{0} && value.size() > quota_.value_bytes)
        return fail(Error::too_big);
    const auto owned = own(layer, id);
    if (!owned)
        return fail(owned.error());
    Node& node = nodes_[*owned];
    const auto more = blocks_for(value.size());
    const auto less = blocks_for(node.value.length);
    if (journal_full() || (more > less && !within_quota(payer(node), {.blocks = more - less})))
        return fail(Error::no_space);
    const auto text = blocks_.store(value);
    if (!text)
        return fail(text.error());
    note(Change::Kind::value, *owned);
    charge_node(node, false);
    node.value = *text;
    node.own_value = true;
    charge_node(node, true);
    return {};
}

Result<> Tree::set_permissions(Layer* layer, NodeId id, const Permissions& permissions) {
    const auto owned = own(layer, id);
    if (!owned)
        return fail(owned.error());
    Node& node = nodes_[*owned];
    const Usage size{.nodes = 1, .blocks = blocks_for(node.name.length) + blocks_for(node.value.length)};
    const bool moves = layer == nullptr && permissions.owner != node.permissions.owner;
    if (journal_full() || (moves && !within_quota(permissions.owner, size)))
        return fail(Error::no_space);
    note(Change::Kind::permissions, *owned);
    charge_node(node, false);
    node.permissions = permissions;
    charge_node(node, true);
    return {};
}

Result<> Tree::remove(Layer* layer, NodeId node) {
    if (layer != nullptr)
        return remove_in(*layer, node);
    if (journal_full())
        return fail(Error::no_space);
    charge_subtree(node, false);
    note(Change::Kind::detached, node, detach(node));
    return {};
}

void Tree::commit() {
    for (std::size_t i = 0; i < journal_used_; ++i) {
        if (journal_[i].kind == Change::Kind::value || journal_[i].kind == Change::Kind::removed)
            blocks_.release(journal_[i].value);
        if (journal_[i].kind == Change::Kind::detached)
            free_subtree(journal_[i].node);
    }
    journal_used_ = 0;
}

void Tree::roll_back() {
    while (journal_used_ != 0)
        undo(journal_[--journal_used_]);
}

void Tree::undo(const Change& change) {
    Node& node = nodes_[change.node];
    if (change.kind == Change::Kind::detached) {
        attach(change.node, change.previous);
        return charge_subtree(change.node, true);
    }
    charge_node(node, false);
    switch (change.kind) {
    case Change::Kind::created:
        return take_back(change.node);
    case Change::Kind::value:
        blocks_.release(node.value);
        [[fallthrough]];
    case Change::Kind::removed:
        node.value = change.value;
        node.own_value = change.own_value;
        node.removed = false;
        break;
    case Change::Kind::revived:
        node.removed = true;
        node.permissions = change.permissions;
        break;
    default:
        node.permissions = change.permissions;
        break;
    }
    node.serial = change.serial;
    charge_node(node, true);
}

// A created node that is charged no longer: nothing is below it, and in its layer it is the latest.
void Tree::take_back(NodeId id) {
    if (Layer* layer = nodes_[id].layer; layer != nullptr) {
        layer->first = nodes_[id].next;
        leave(id);
    } else {
        detach(id);
    }
    free_node(id);
}

Result<Text> Tree::keep(DomainId domain, std::string_view bytes) {
    if (!within_quota(domain, {.nodes = 0, .blocks = blocks_for(bytes.size())}))
        return fail(Error::no_space);
    const auto text = blocks_.store(bytes);
    if (text)
        usage_of(domain).blocks += blocks_for(bytes.size());
    return text;
}

void Tree::drop(DomainId domain, Text text) {
    usage_of(domain).blocks -= blocks_for(text.length);
    blocks_.release(text);
}

void Tree::charge_node(const Node& node, bool add) {
    Usage& usage = usage_of(payer(node));
    const auto blocks = blocks_for(node.name.length) + blocks_for(node.value.length);
    meter().add(1);
    usage.blocks += add ? blocks : 0U - blocks;
    (node.layer != nullptr ? usage.shadows : usage.nodes) += add ? 1U : ~0U;
    if (node.layer != nullptr)
        return;
    for (std::size_t i = 0; i < node.permissions.count; ++i)
        usage_of(node.permissions.others[i].domain).rights += add ? 1U : ~0U;
}

void Tree::charge_subtree(NodeId top, bool add) {
    for (NodeId node = top; node != 0; node = next_below(top, node))
        charge_node(nodes_[node], add);
}

NodeId Tree::detach(NodeId id) {
    const Node& node = nodes_[id];
    leave(id);
    (node.previous != 0 ? nodes_[node.previous].next : nodes_[node.parent].first_child) = node.next;
    (node.next != 0 ? nodes_[node.next].previous : nodes_[node.parent].last_child) = node.previous;
    return node.previous;
}

void Tree::attach(NodeId id, NodeId previous) {
    Node& node = nodes_[id];
    NodeId& before = previous != 0 ? nodes_[previous].next : nodes_[node.parent].first_child;
    node.previous = previous;
    node.next = before;
    before = id;
    (node.next != 0 ? nodes_[node.next].previous : nodes_[node.parent].last_child) = id;
    enter(id);
}

// Children before siblings, without leaving the subtree of `top`.
NodeId Tree::next_below(NodeId top, NodeId node) const {
    if (nodes_[node].first_child != 0)
        return nodes_[node].first_child;
    while (node != top && nodes_[node].next == 0)
        node = nodes_[node].parent;
    return node == top ? 0 : nodes_[node].next;
}

// Leaves first: the deepest first child is freed until `top` is a leaf itself.
void Tree::free_subtree(NodeId top) {
    for (NodeId node = top;;) {
        while (nodes_[node].first_child != 0)
            node = nodes_[node].first_child;
        const NodeId parent = nodes_[node].parent;
        const bool last = node == top; // it left the index when it was detached
        if (!last) {
            nodes_[parent].first_child = nodes_[node].next;
            leave(node);
        }
        free_node(node);
        if (last)
            return;
        node = parent;
    }
}

void Tree::free_node(NodeId id) {
    blocks_.release(nodes_[id].name);
    blocks_.release(nodes_[id].value);
    const NodeId bucket = nodes_[id].bucket; // of other nodes
    nodes_[id] = {};
    nodes_[id].bucket = bucket;
    nodes_[id].next = free_;
    free_ = id;
}

} // namespace bulkhead::xenstore
