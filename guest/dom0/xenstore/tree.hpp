// The tree of nodes in fixed storage, with a journal: every change since the last commit can be rolled back,
// so that a request either happens whole or not at all. Over the tree lie layers, one for each open
// transaction, which hold what the transaction made different and nothing else. All nodes are found through
// one index by path. Knows quotas, but no permissions and no protocol.
#pragma once

#include "guest/dom0/xenstore/blocks.hpp"
#include "guest/dom0/xenstore/path.hpp"
#include "guest/dom0/xenstore/path_hash.hpp"
#include "guest/dom0/xenstore/permissions.hpp"

namespace bulkhead::xenstore {

using NodeId = std::uint32_t; // 0: no node
using Serial = std::uint64_t; // of what is below a node; never given out twice

// What an open transaction made different. Its shadows are charged to `payer`.
struct Layer {
    DomainId payer;
    std::uint64_t salt = 0; // spreads the layers over the index
    NodeId first = 0;       // its latest shadow; they are linked by Node::next
};

// A node of the tree, or a shadow: what one layer shows in its place. A shadow has the serial of the node
// that it covers, so that what lies below is found under both, or one of its own if nothing of that is to be
// seen.
struct Node {
    NodeId parent = 0, first_child = 0, last_child = 0, previous = 0; // of the tree only
    NodeId next = 0;                                                  // sibling, next shadow, next free node
    NodeId bucket = 0;      // first node of the index's chain with this node's number
    NodeId chain = 0;       // the next node in the chain that this one is in
    NodeId base = 0;        // of a shadow: the node of the tree that was there, 0 for none
    Layer* layer = nullptr; // of a shadow
    PathHash hash = 0;
    Serial serial = 0, above = 0; // its own, and that of the node above
    Text name, value;
    Permissions permissions;
    bool removed = false;   // of a shadow: the layer shows no node here
    bool own_value = false; // of a shadow: the value is not that of the covered node
};

// What one domain may make xenstore keep. Domain 0 has no limit but the storage.
struct Quota {
    std::uint32_t nodes = 1000;
    std::uint32_t shadows = 128;
    std::uint32_t blocks = 2048;
    std::uint32_t value_bytes = 2048;
};

struct Change { // one journal record: what was before
    enum class Kind : std::uint8_t { created, value, permissions, detached, removed, revived } kind;
    bool own_value; // value, removed
    NodeId node;
    NodeId previous; // detached: the sibling before it
    Text value;      // value, removed
    Permissions permissions;
    Serial serial; // removed, revived
};

struct Usage {
    std::uint32_t nodes = 0, shadows = 0, blocks = 0;
    std::uint32_t rights = 0; // entries of permissions that name it, beside those of owners
};

struct Storage {
    std::span<Node> nodes; // element 0 is never used
    std::span<Block> blocks;
    std::span<Change> journal;
    std::span<Usage, max_domains> usage; // zeroed
    std::uint64_t key = 0;               // of the index: which names share a chain depends on it
};

class Tree {
  public:
    // Makes the root, owned by domain 0 and readable by all.
    void start(const Storage& storage, const Quota& quota);

    // The same node number stands for the tree's node and, in a layer, for what the layer shows there.
    [[nodiscard]] NodeId root(const Layer* layer = nullptr) const;
    [[nodiscard]] NodeId child(const Layer* layer, NodeId at, std::string_view name) const;
    [[nodiscard]] const Node& operator[](NodeId node) const { return nodes_[node]; }
    [[nodiscard]] Text value(NodeId node) const;
    // Calls visit(name) for each child that is seen, as long as it answers true.
    template<class Visit>
    void each_child(const Layer* layer, NodeId at, Visit visit) const;
    [[nodiscard]] const BlockPool& blocks() const { return blocks_; }
    [[nodiscard]] Meter& meter() const { return blocks_.meter(); }
    [[nodiscard]] Usage usage(DomainId domain) const { return usage_[domain.value() % max_domains]; }
    [[nodiscard]] PathHash hash_of_root() const { return nodes_[1].hash; }

    // Each of these is journaled. Errors: no_space (quota or storage), too_big (value).
    [[nodiscard]] Result<NodeId> create(Layer* layer, NodeId parent, std::string_view name,
                                        const Permissions& permissions);
    [[nodiscard]] Result<> set_value(Layer* layer, NodeId node, std::string_view value);
    [[nodiscard]] Result<> set_permissions(Layer* layer, NodeId node, const Permissions& permissions);
    [[nodiscard]] Result<> remove(Layer* layer, NodeId node); // with everything below

    // Calls visit(top, node) for each node below those, `top`, that the journal takes out of the tree.
    template<class Visit>
    void each_orphan(Visit visit) const;
    void commit();
    void roll_back();

    // A layer of `payer` without changes; and its end, while no change is in the journal.
    [[nodiscard]] Layer open_layer(DomainId payer) {
        return {.payer = payer, .salt = ++serials_, .first = 0};
    }
    void drop(Layer& layer);

    // The end of a domain, while no change is in the journal: its rights on others' nodes go at once, and the
    // nodes that it still owns are found, from `from` on (0: none), to be removed.
    void withdraw_rights(DomainId dead);
    [[nodiscard]] NodeId next_owned_by(DomainId dead, NodeId from) const;
    // Written at the end of `out`, which has room for the longest path.
    [[nodiscard]] std::string_view path_of(NodeId node, std::span<char> out) const;

    // Text beside the tree (watches, transactions), charged to `domain`.
    [[nodiscard]] Result<Text> keep(DomainId domain, std::string_view bytes);
    void drop(DomainId domain, Text text);

  private:
    [[nodiscard]] bool journal_full() const { return journal_used_ == journal_.size(); }
    // Records what the node is now.
    void note(Change::Kind kind, NodeId node, NodeId previous = 0);
    [[nodiscard]] bool within_quota(DomainId domain, Usage more) const;
    [[nodiscard]] DomainId payer(const Node& node) const {
        return node.layer != nullptr ? node.layer->payer : node.permissions.owner;
    }
    Usage& usage_of(DomainId domain) { return usage_[domain.value() % max_domains]; }
    void charge_subtree(NodeId top, bool add);
    void charge_node(const Node& node, bool add);
    NodeId detach(NodeId node); // returns the sibling before it
    void attach(NodeId node, NodeId previous);
    void free_subtree(NodeId top);
    void free_node(NodeId node);
    [[nodiscard]] NodeId next_below(NodeId top, NodeId node) const;
    void undo(const Change& change);
    void take_back(NodeId created);

    // The index.
    [[nodiscard]] NodeId& bucket(PathHash hash, const Layer* layer) const;
    void enter(NodeId node);
    void leave(NodeId node);
    [[nodiscard]] NodeId look_up(const Layer* layer, Serial above, PathHash hash,
                                 std::string_view name) const;

    // Layers.
    [[nodiscard]] Result<NodeId> take_node(std::string_view name, DomainId payer, Usage more);
    [[nodiscard]] NodeId shadow_of(const Layer* layer, NodeId node) const;
    [[nodiscard]] NodeId covered(NodeId node) const;
    [[nodiscard]] Result<NodeId> own(Layer* layer, NodeId node);
    [[nodiscard]] Result<NodeId> create_shadow(Layer& layer, NodeId parent, std::string_view name,
                                               const Permissions& permissions);
    [[nodiscard]] Result<> remove_in(Layer& layer, NodeId node);
    void link(Layer& layer, NodeId shadow);

    std::span<Node> nodes_;
    std::span<Change> journal_;
    std::span<Usage> usage_;
    std::size_t journal_used_ = 0;
    NodeId free_ = 0;
    Serial serials_ = 0;
    BlockPool blocks_;
    Quota quota_;
};

template<class Visit>
void Tree::each_child(const Layer* layer, NodeId at, Visit visit) const {
    for (NodeId child = nodes_[covered(at)].first_child; child != 0; child = nodes_[child].next) {
        meter().add(1);
        const NodeId shadow = layer != nullptr ? shadow_of(layer, child) : 0;
        if (shadow != 0 && nodes_[shadow].removed)
            continue;
        if (!visit(nodes_[child].name))
            return;
    }
    for (NodeId made = layer != nullptr ? layer->first : 0; made != 0; made = nodes_[made].next) {
        meter().add(1);
        const Node& node = nodes_[made];
        if (node.above == nodes_[at].serial && node.base == 0 && !node.removed && !visit(node.name))
            return;
    }
}

template<class Visit>
void Tree::each_orphan(Visit visit) const {
    for (std::size_t i = 0; i < journal_used_; ++i) {
        if (journal_[i].kind != Change::Kind::detached)
            continue;
        const NodeId top = journal_[i].node;
        for (NodeId node = next_below(top, top); node != 0; node = next_below(top, node))
            visit(top, node);
    }
}

} // namespace bulkhead::xenstore
