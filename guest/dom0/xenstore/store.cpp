// See store.hpp.
#include "guest/dom0/xenstore/store.hpp"

namespace bulkhead::xenstore {

Store::Place Store::locate(std::string_view path) const {
    Place place{.node = tree_.root(), .nearest = tree_.root(), .missing = {}};
    for (auto rest = path; place.node != 0;) {
        place.nearest = place.node;
        place.missing = rest;
        const auto name = take_name(rest);
        if (name.empty())
            return place;
        place.node = tree_.child(place.node, name);
    }
    return place;
}

bool Store::may(DomainId who, NodeId node, Access access) const {
    return allows(tree_[node].permissions.of(who), access);
}

// Whether a missing node is missing or hidden depends on the node above: a domain does not learn names
// that it may not read.
Result<NodeId> Store::existing(DomainId who, const Path& path, Access access) const {
    const auto place = locate(path.text());
    if (place.node == 0)
        return fail(may(who, place.nearest, Access::read) ? Error::missing : Error::access);
    if (!may(who, place.node, access))
        return fail(Error::access);
    return place.node;
}

// New nodes have the permissions of the one above; a guest that makes a node owns it.
Result<NodeId> Store::existing_or_new(DomainId who, const Path& path) {
    auto place = locate(path.text());
    if (!may(who, place.nearest, Access::write))
        return fail(Error::access);
    if (place.node != 0)
        return place.node;
    auto permissions = tree_[place.nearest].permissions;
    if (who != DomainId{0})
        permissions.owner = who;
    Result<NodeId> node = place.nearest;
    for (auto name = take_name(place.missing); node && !name.empty(); name = take_name(place.missing))
        node = tree_.create(*node, name, permissions);
    return node;
}

Result<std::string_view> Store::read(DomainId who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    const Text value = tree_[*node].value;
    if (value.length > out.size())
        return fail(Error::too_big);
    return tree_.blocks().copy(value, out);
}

Result<std::string_view> Store::directory(DomainId who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    std::size_t used = 0;
    for (NodeId child = tree_[*node].first_child; child != 0; child = tree_[child].next) {
        const Text name = tree_[child].name;
        if (name.length + 1 > out.size() - used)
            return fail(Error::too_big);
        tree_.blocks().copy(name, out.subspan(used));
        used += name.length;
        out[used++] = '\0';
    }
    return std::string_view{out.data(), used};
}

Result<std::string_view> Store::get_permissions(DomainId who, const Path& path, std::span<char> out) const {
    const auto node = existing(who, path, Access::read);
    if (!node)
        return fail(node.error());
    constexpr std::size_t needed = 8 * (1 + Permissions::max_others);
    if (out.size() < needed)
        return fail(Error::too_big);
    return print_permissions(tree_[*node].permissions, out.first<needed>());
}

Result<> Store::write(DomainId who, const Path& path, std::string_view value) {
    const auto node = existing_or_new(who, path);
    return node ? tree_.set_value(*node, value) : fail(node.error());
}

Result<> Store::make_directory(DomainId who, const Path& path) {
    const auto node = existing_or_new(who, path);
    return node ? Result<>{} : fail(node.error());
}

Result<> Store::remove(DomainId who, const Path& path) {
    const auto place = locate(path.text());
    if (place.node == 0) {
        auto missing = place.missing;
        take_name(missing);
        if (!may(who, place.nearest, Access::write))
            return fail(Error::access);
        return missing.empty() ? Result<>{} : fail(Error::missing);
    }
    if (!may(who, place.node, Access::write))
        return fail(Error::access);
    return path.is_root() ? fail(Error::invalid) : tree_.remove(place.node);
}

Result<> Store::set_permissions(DomainId who, const Path& path, const Permissions& permissions) {
    const auto node = existing(who, path, Access::write);
    if (!node)
        return fail(node.error());
    const auto owner = tree_[*node].permissions.owner;
    if (who != DomainId{0} && (who != owner || permissions.owner != owner))
        return fail(Error::access);
    return tree_.set_permissions(*node, permissions);
}

bool Store::may_know(DomainId who, std::string_view path) const {
    return may(who, locate(path).nearest, Access::read);
}

} // namespace bulkhead::xenstore
