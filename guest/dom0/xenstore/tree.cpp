// See tree.hpp. Nodes that a change takes out of the tree stay in storage until commit, because a roll-back
// needs them; charges follow the visible tree at once.
#include "guest/dom0/xenstore/tree.hpp"

#include <algorithm>

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
    free_ = nodes_[root()].next;
    nodes_[root()] = {};
    nodes_[root()].permissions = readable_by_all(DomainId{0});
    charge_node(nodes_[root()], true);
}

NodeId Tree::child(NodeId parent, std::string_view name) const {
    auto node = nodes_[parent].first_child;
    while (node != 0 && !blocks_.equals(nodes_[node].name, name))
        node = nodes_[node].next;
    return node;
}

NodeId Tree::find(std::string_view path) const {
    NodeId node = root();
    for (auto name = take_name(path); node != 0 && !name.empty(); name = take_name(path))
        node = child(node, name);
    return node;
}

bool Tree::within_quota(DomainId domain, Usage more) const {
    if (domain == DomainId{0})
        return true;
    const auto used = usage(domain);
    return used.nodes + more.nodes <= quota_.nodes && used.blocks + more.blocks <= quota_.blocks;
}

Result<NodeId> Tree::create(NodeId parent, std::string_view name, const Permissions& permissions) {
    if (free_ == 0 || journal_full() ||
        !within_quota(permissions.owner, {.nodes = 1, .blocks = blocks_for(name.size())}))
        return fail(Error::no_space);
    const auto text = blocks_.store(name);
    if (!text)
        return fail(text.error());
    const NodeId id = free_;
    free_ = nodes_[id].next;
    nodes_[id] = {};
    nodes_[id].parent = parent;
    nodes_[id].name = *text;
    nodes_[id].permissions = permissions;
    NodeId last = nodes_[parent].first_child;
    while (last != 0 && nodes_[last].next != 0)
        last = nodes_[last].next;
    attach(id, last);
    charge_node(nodes_[id], true);
    note({.kind = Change::Kind::created, .node = id, .previous = 0, .value = {}, .permissions = {}});
    return id;
}

Result<> Tree::set_value(NodeId id, std::string_view value) {
    Node& node = nodes_[id];
    const auto owner = node.permissions.owner;
    if (owner != DomainId{0} && value.size() > quota_.value_bytes)
        return fail(Error::too_big);
    const auto more = blocks_for(value.size());
    const auto less = blocks_for(node.value.length);
    if (journal_full() || (more > less && !within_quota(owner, {.nodes = 0, .blocks = more - less})))
        return fail(Error::no_space);
    const auto text = blocks_.store(value);
    if (!text)
        return fail(text.error());
    note({.kind = Change::Kind::value, .node = id, .previous = 0, .value = node.value, .permissions = {}});
    charge_node(node, false);
    node.value = *text;
    charge_node(node, true);
    return {};
}

Result<> Tree::set_permissions(NodeId id, const Permissions& permissions) {
    Node& node = nodes_[id];
    const Usage size{.nodes = 1, .blocks = blocks_for(node.name.length) + blocks_for(node.value.length)};
    if (journal_full() ||
        (permissions.owner != node.permissions.owner && !within_quota(permissions.owner, size)))
        return fail(Error::no_space);
    note({.kind = Change::Kind::permissions,
          .node = id,
          .previous = 0,
          .value = {},
          .permissions = node.permissions});
    charge_node(node, false);
    node.permissions = permissions;
    charge_node(node, true);
    return {};
}

Result<> Tree::remove(NodeId node) {
    if (journal_full())
        return fail(Error::no_space);
    charge_subtree(node, false);
    const auto previous = detach(node);
    note(
        {.kind = Change::Kind::detached, .node = node, .previous = previous, .value = {}, .permissions = {}});
    return {};
}

void Tree::commit() {
    for (std::size_t i = 0; i < journal_used_; ++i) {
        if (journal_[i].kind == Change::Kind::value)
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
    switch (change.kind) {
    case Change::Kind::created:
        charge_node(node, false);
        detach(change.node);
        free_node(change.node);
        break;
    case Change::Kind::value:
        charge_node(node, false);
        blocks_.release(node.value);
        node.value = change.value;
        charge_node(node, true);
        break;
    case Change::Kind::permissions:
        charge_node(node, false);
        node.permissions = change.permissions;
        charge_node(node, true);
        break;
    case Change::Kind::detached:
        attach(change.node, change.previous);
        charge_subtree(change.node, true);
        break;
    }
}

void Tree::withdraw_rights(DomainId dead) {
    const auto named = [&](const Permissions::Entry& entry) { return entry.domain == dead; };
    for (NodeId id = root(); id < nodes_.size() && usage_of(dead).rights != 0; ++id) {
        Node& node = nodes_[id];
        const auto used = std::span{node.permissions.others}.first(node.permissions.count);
        if (std::ranges::none_of(used, named))
            continue;
        charge_node(node, false);
        node.permissions.count =
            static_cast<std::uint8_t>(std::ranges::remove_if(used, named).begin() - used.begin());
        charge_node(node, true);
    }
}

// Free nodes belong to domain 0.
NodeId Tree::next_owned_by(DomainId dead, NodeId from) const {
    for (NodeId id = from; id < nodes_.size() && usage(dead).nodes != 0; ++id)
        if (nodes_[id].permissions.owner == dead)
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
    Usage& usage = usage_of(node.permissions.owner);
    const auto blocks = blocks_for(node.name.length) + blocks_for(node.value.length);
    usage.nodes += add ? 1U : ~0U;
    usage.blocks += add ? blocks : 0U - blocks;
    for (std::size_t i = 0; i < node.permissions.count; ++i)
        usage_of(node.permissions.others[i].domain).rights += add ? 1U : ~0U;
}

void Tree::charge_subtree(NodeId top, bool add) {
    for (NodeId node = top; node != 0; node = next_below(top, node))
        charge_node(nodes_[node], add);
}

NodeId Tree::detach(NodeId node) {
    NodeId previous = 0;
    NodeId* link = &nodes_[nodes_[node].parent].first_child;
    while (*link != node) {
        previous = *link;
        link = &nodes_[previous].next;
    }
    *link = nodes_[node].next;
    return previous;
}

void Tree::attach(NodeId node, NodeId previous) {
    NodeId& link = previous ? nodes_[previous].next : nodes_[nodes_[node].parent].first_child;
    nodes_[node].next = link;
    link = node;
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
        const bool last = node == top;
        if (!last)
            nodes_[parent].first_child = nodes_[node].next;
        free_node(node);
        if (last)
            return;
        node = parent;
    }
}

void Tree::free_node(NodeId id) {
    blocks_.release(nodes_[id].name);
    blocks_.release(nodes_[id].value);
    nodes_[id] = {};
    nodes_[id].next = free_;
    free_ = id;
}

} // namespace bulkhead::xenstore
