// The tree with permissions: each operation of the protocol that looks at or changes nodes, for a given
// domain. Changes are left in the tree's journal: the caller commits or rolls back.
#pragma once

#include "guest/dom0/xenstore/tree.hpp"

namespace bulkhead::xenstore {

// A domain, and what it sees: the tree, or a layer over it.
struct Viewer {
    constexpr Viewer(DomainId who, Layer* through = nullptr) : domain{who}, layer{through} {}
    DomainId domain;
    Layer* layer;
};

class Store {
  public:
    void start(const Storage& storage, const Quota& quota) { tree_.start(storage, quota); }
    [[nodiscard]] Tree& tree() { return tree_; }
    [[nodiscard]] const Tree& tree() const { return tree_; }

    // The result is the part of `out` that was written; too_big if it does not fit.
    [[nodiscard]] Result<std::string_view> read(Viewer who, const Path& path, std::span<char> out) const;
    // Names of the children, each with a zero byte.
    [[nodiscard]] Result<std::string_view> directory(Viewer who, const Path& path, std::span<char> out) const;
    [[nodiscard]] Result<std::string_view> get_permissions(Viewer who, const Path& path,
                                                           std::span<char> out) const;

    // Makes the node and those above it if they are missing.
    [[nodiscard]] Result<> write(Viewer who, const Path& path, std::string_view value);
    [[nodiscard]] Result<> make_directory(Viewer who, const Path& path);
    // Fine if the node is missing but the one above is there.
    [[nodiscard]] Result<> remove(Viewer who, const Path& path);
    [[nodiscard]] Result<> set_permissions(Viewer who, const Path& path, const Permissions& permissions);

    // Whether a watch of `who` may be told about `path`, which may be gone.
    [[nodiscard]] bool may_know(DomainId who, std::string_view path) const;
    [[nodiscard]] bool may_read(DomainId who, NodeId node) const { return may(who, node, Access::read); }

  private:
    struct Place {
        NodeId node;              // 0: missing
        NodeId nearest;           // the node itself or the lowest that exists above it
        std::string_view missing; // names below `nearest`
    };
    [[nodiscard]] Place locate(const Layer* layer, std::string_view path) const;
    [[nodiscard]] bool may(Viewer who, NodeId node, Access access) const;
    [[nodiscard]] Result<NodeId> existing(Viewer who, const Path& path, Access access) const;
    [[nodiscard]] Result<NodeId> existing_or_new(Viewer who, const Path& path);

    Tree tree_;
};

} // namespace bulkhead::xenstore
