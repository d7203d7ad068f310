// The tree of nodes in fixed storage, with a journal: every change since the last commit can be rolled back,
// so that a request either happens whole or not at all. Knows quotas, but no permissions and no protocol.
#pragma once

#include "guest/dom0/xenstore/blocks.hpp"
#include "guest/dom0/xenstore/path.hpp"
#include "guest/dom0/xenstore/permissions.hpp"

namespace bulkhead::xenstore {

using NodeId = std::uint32_t; // 0: no node

struct Node {
    NodeId parent = 0, first_child = 0, next = 0; // `next` also threads the free list
    Text name, value;
    Permissions permissions;
};

// What one domain may make xenstore keep. Domain 0 has no limit but the storage.
struct Quota {
    std::uint32_t nodes = 1000;
    std::uint32_t blocks = 2048;
    std::uint32_t value_bytes = 2048;
};

struct Change { // one journal record
    enum class Kind : std::uint8_t { created, value, permissions, detached } kind;
    NodeId node;
    NodeId previous; // detached: the sibling before it
    Text value;      // value: the old one
    Permissions permissions;
};

struct Usage {
    std::uint32_t nodes = 0, blocks = 0;
    std::uint32_t rights = 0; // entries of permissions that name it, beside those of owners
};

struct Storage {
    std::span<Node> nodes; // element 0 is never used
    std::span<Block> blocks;
    std::span<Change> journal;
    std::span<Usage, max_domains> usage; // zeroed
};

class Tree {
  public:
    // Makes the root, owned by domain 0 and readable by all.
    void start(const Storage& storage, const Quota& quota);

    [[nodiscard]] NodeId root() const { return 1; }
    [[nodiscard]] NodeId find(std::string_view path) const;
    [[nodiscard]] NodeId child(NodeId parent, std::string_view name) const;
    [[nodiscard]] const Node& operator[](NodeId node) const { return nodes_[node]; }
    [[nodiscard]] const BlockPool& blocks() const { return blocks_; }
    [[nodiscard]] Usage usage(DomainId domain) const { return usage_[domain.value() % max_domains]; }

    // Each of these is journaled. Errors: no_space (quota or storage), too_big (value).
    [[nodiscard]] Result<NodeId> create(NodeId parent, std::string_view name, const Permissions& permissions);
    [[nodiscard]] Result<> set_value(NodeId node, std::string_view value);
    [[nodiscard]] Result<> set_permissions(NodeId node, const Permissions& permissions);
    [[nodiscard]] Result<> remove(NodeId node); // with everything below

    void commit();
    void roll_back();

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
    void note(const Change& change) { journal_[journal_used_++] = change; }
    [[nodiscard]] bool within_quota(DomainId domain, Usage more) const;
    Usage& usage_of(DomainId domain) { return usage_[domain.value() % max_domains]; }
    void charge_subtree(NodeId top, bool add);
    void charge_node(const Node& node, bool add);
    NodeId detach(NodeId node); // returns the sibling before it
    void attach(NodeId node, NodeId previous);
    void free_subtree(NodeId top);
    void free_node(NodeId node);
    [[nodiscard]] NodeId next_below(NodeId top, NodeId node) const;
    void undo(const Change& change);

    std::span<Node> nodes_;
    std::span<Change> journal_;
    std::span<Usage> usage_;
    std::size_t journal_used_ = 0;
    NodeId free_ = 0;
    BlockPool blocks_;
    Quota quota_;
};

} // namespace bulkhead::xenstore
