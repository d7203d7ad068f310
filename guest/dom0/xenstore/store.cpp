// See store.hpp.
#include "guest/dom0/xenstore/store.hpp"

namespace bulkhead::xenstore {

Store::Place Store::locate(const Layer* layer, std::string_view path) const {
    const NodeId top = tree_.root(layer);
    Place place{.node = top, .nearest = top, .missing = {}};
    for (auto rest = path; place.node != 0;) {
        place.nearest = place.node;
        place.missing = rest;
        const auto name = take_name(rest);
        if (name.empty())
            return place;
        place.node = tree_.child(layer, place.node, name);
    }
    return place;
}

bool Store::may(Viewer who, NodeId node, Access access) const {
    return allows(tree_[node].permissions.of(who.domain), access);
}

// Whether a missing node is missing or hidden depends on the node above: a domain does not learn names
// that it may not read.
Result<NodeId> Store::existing(Viewer who, const Path& path, Access access) const {
    const auto place = locate(who.layer, path.text());
    if (place.node == 0)
        return fail(may(who, place.nearest, Access::read) ? Error::missing : Error::access);
    if (!may(who, place.node, access))
        return fail(Error::access);
    return place.node;
}

// New nodes have the permissions of the one above; a guest that makes a node owns it.
Result<NodeId> Store::existing_or_new(Viewer who, const Path& path) {
    auto place = locate(who.layer, path.text());
    if (!may(who, place.nearest, Access::write))
        return fail(Error::access);
    if (place.node != 0)
        return place.node;
    auto permissions = tree_[place.nearest].permissions;
    if (who.domain != DomainId{0})
        permissions.owner = who.domain;
    Result<NodeId> node = place.nearest;
    for (auto name = take_name(place.missing); node && !name.empty(); name = take_name(place.missing))
        node = tree_.create(who.layer, *node, name, permissions);
    return node;
}

Result<std::string_view> Store::read(Viewer who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    const Text value = tree_.value(*node);
    if (value.length > out.size())
        return fail(Error::too_big);
    return tree_.blocks().copy(value, out);
}

Result<std::string_view> Store::directory(Viewer who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    std::size_t used = 0;
    bool fits = true;
    tree_.each_child(who.layer, *node, [&](Text name) {
        fits = name.length + 1 <= out.size() - used;
        if (!fits)
            return false;
        tree_.blocks().copy(name, out.subspan(used));
        used += name.length;
        out[used++] = '\0';
        return true;
    });
    return fits ? Result<std::string_view>{{out.data(), used}} : fail(Error::too_big);
}

Result<std::string_view> Store::get_permissions(Viewer who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    constexpr std::size_t needed = 8 * (1 + Permissions::max_others);
    if (out.size() < needed)
        return fail(Error::too_big);
    return print_permissions(tree_[*node].permissions, out.first<needed>());
}

Result<> Store::write(Viewer who, const Path& path, std::string_view value) {
    const auto node = existing_or_new(who, path);
    return node ? tree_.set_value(who.layer, *node, value) : fail(node.error());
}

Result<> Store::make_directory(Viewer who, const Path& path) {
    const auto node = existing_or_new(who, path);
    return node ? Result<>{} : fail(node.error());
}

Result<> Store::remove(Viewer who, const Path& path) {
    const auto place = locate(who.layer, path.text());
    if (place.node == 0) {
        auto missing = place.missing;
        take_name(missing);
        if (!may(who, place.nearest, Access::write))
            return fail(Error::access);
        return missing.empty() ? Result<>{} : fail(Error::missing);
    }
    if (!may(who, place.node, Access::write))
        return fail(Error::access);
    return path.is_root() ? fail(Error::invalid) : tree_.remove(who.layer, place.node);
}

Result<> Store::set_permissions(Viewer who, const Path& path, const Permissions& permissions) {
    const auto node = existing(who, path, Access::write);
    if (!node)
        return fail(node.error());
    const auto owner = tree_[*node].permissions.owner;
    if (who.domain != DomainId{0} && (who.domain != owner || permissions.owner != owner))
        return fail(Error::access);
    return tree_.set_permissions(who.layer, *node, permissions);
}

bool Store::may_know(DomainId who, std::string_view path) const {
    return may(who, locate(nullptr, path).nearest, Access::read);
}

} // namespace bulkhead::xenstore
