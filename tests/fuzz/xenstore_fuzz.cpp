// Fuzzes xenstore with two guests that send well-formed requests on few paths, and garbage into their rings.
// The oracles: no guest ever has more than its quota, no request costs more than what the quotas allow, a
// transaction shows what its end then leaves in the tree, and when both guests are gone nothing of theirs is
// left.
#include "guest/dom0/xenstore/transport.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace bulkhead;
using namespace bulkhead::xenstore;

namespace {

void require(bool condition) {
    if (!condition)
        std::abort();
}

// Takes choices off the input; zeros at its end.
class Input {
  public:
    Input(const std::uint8_t* data, std::size_t size) : data_{data}, left_{size} {}
    [[nodiscard]] bool empty() const { return left_ == 0; }
    std::uint8_t byte() { return left_ == 0 ? std::uint8_t{0} : (--left_, *data_++); }
    std::string bytes(std::size_t most) {
        const auto count = std::min(most, left_);
        std::string text{reinterpret_cast<const char*>(data_), count};
        data_ += count;
        left_ -= count;
        return text;
    }

  private:
    const std::uint8_t* data_;
    std::size_t left_;
};

constexpr Quota quota{.nodes = 12, .shadows = 9, .blocks = 60, .value_bytes = 300};
constexpr std::uint64_t dearest_request = 600; // steps

struct World {
    std::vector<Node> nodes{64};
    std::vector<Block> blocks{512};
    std::vector<Change> journal{128};
    std::vector<Usage> usage{max_domains};
    std::unique_ptr<Server> server = std::make_unique<Server>();
    struct Side {
        std::unique_ptr<Connection> connection;
        xenstore_domain_interface ring{};
        std::uint32_t last_transaction = 0;
    };
    std::array<Side, 2> sides;

    World() {
        server->start({.nodes = nodes,
                       .blocks = blocks,
                       .journal = journal,
                       .usage = std::span<Usage, max_domains>{usage}},
                      quota);
        for (std::uint16_t i = 0; i < sides.size(); ++i) {
            const DomainId id{static_cast<std::uint16_t>(i + 1)};
            require(server->make(Path::home_of(id), readable_by(DomainId{0}, id)).has_value());
            require(server->make(Path::home_of(id) / "data", readable_by_all(id)).has_value());
            sides[i].connection = std::make_unique<Connection>(id);
            server->introduce(*sides[i].connection);
        }
    }
};

constexpr std::array<const char*, 12> paths{"data",
                                            "data/a",
                                            "data/b",
                                            "data/a/b",
                                            "data/a/b/c",
                                            "/local/domain/1/data",
                                            "/local/domain/2/data",
                                            "/local",
                                            "/",
                                            "name",
                                            "data//x",
                                            "/local/domain/2/data/a"};

std::string path(Input& input) { return paths[input.byte() % paths.size()]; }

void send(World& world, World::Side& side, std::uint32_t type, std::uint32_t transaction,
          const std::string& payload) {
    const auto& meter = world.server->tree().meter();
    const auto before = meter.steps();
    world.server->handle(*side.connection, {type, 0, transaction, static_cast<std::uint32_t>(payload.size())},
                         payload);
    require(meter.steps() - before <= dearest_request);
}

std::string taken(World::Side& side) {
    std::string bytes(4 * max_message, '\0');
    bytes.resize(side.connection->output.take(bytes));
    return bytes;
}

// The one reply to a request, its type first, without watch events; the names of a folder in order.
std::string reply(World& world, World::Side& side, std::uint32_t type, std::uint32_t transaction,
                  const std::string& payload) {
    send(world, side, type, transaction, payload);
    const auto bytes = taken(side);
    for (std::string_view left = bytes; !left.empty();) {
        xsd_sockmsg header;
        std::memcpy(&header, left.data(), sizeof header);
        std::string text{left.substr(sizeof header, header.len)};
        left.remove_prefix(sizeof header + header.len);
        if (header.type == XS_WATCH_EVENT)
            continue;
        if (header.type == XS_DIRECTORY) {
            std::vector<std::string> names;
            for (std::string_view rest = text; !rest.empty(); rest.remove_prefix(names.back().size() + 1))
                names.emplace_back(rest.data());
            std::ranges::sort(names);
            text.clear();
            for (const auto& name : names)
                text += name + '/';
        }
        return std::to_string(header.type) + ' ' + text;
    }
    std::abort();
}

// All that a guest sees of the paths of this fuzzer.
std::string view(World& world, World::Side& side, std::uint32_t transaction) {
    std::string all;
    for (const char* name : paths)
        for (const auto type : {XS_READ, XS_DIRECTORY, XS_GET_PERMS})
            all +=
                reply(world, side, static_cast<std::uint32_t>(type), transaction, std::string{name} + '\0') +
                '\n';
    return all;
}

// A transaction that wins leaves in the tree what it showed.
void commit(World& world, World::Side& side, std::uint32_t transaction) {
    taken(side);
    const auto shown = view(world, side, transaction);
    const auto done = reply(world, side, XS_TRANSACTION_END, transaction, std::string("T") + '\0');
    if (done == std::to_string(XS_TRANSACTION_END) + " OK" + '\0')
        require(view(world, side, 0) == shown);
}

std::string body(Input& input, std::uint32_t type) {
    std::string text = path(input) + '\0';
    if (type == XS_WRITE)
        text.append(input.byte() * 2U, 'v');
    if (type == XS_SET_PERMS)
        text += std::string{"nrwb"[input.byte() % 4], static_cast<char>('0' + input.byte() % 4), '\0'};
    if (type == XS_WATCH || type == XS_UNWATCH)
        text += std::string(1, static_cast<char>('a' + input.byte() % 8)) + '\0';
    if (type == XS_TRANSACTION_START || type == XS_RESET_WATCHES)
        text = std::string(1, '\0');
    if (type == XS_TRANSACTION_END)
        text = std::string(input.byte() % 4 != 0 ? "T" : "F") + '\0';
    return text;
}

void request(World& world, World::Side& side, Input& input) {
    static constexpr std::array types{XS_READ,
                                      XS_WRITE,
                                      XS_WRITE,
                                      XS_MKDIR,
                                      XS_RM,
                                      XS_WATCH,
                                      XS_UNWATCH,
                                      XS_DIRECTORY,
                                      XS_TRANSACTION_START,
                                      XS_TRANSACTION_END,
                                      XS_RM,
                                      XS_WRITE,
                                      XS_RESET_WATCHES,
                                      XS_GET_PERMS,
                                      XS_SET_PERMS};
    const auto type = static_cast<std::uint32_t>(types[input.byte() % types.size()]);
    const auto payload = body(input, type);
    const bool inside = input.byte() % 2 != 0;
    if (side.connection->output.room() < max_message)
        return;
    const std::uint32_t transaction =
        inside && type != XS_TRANSACTION_START ? side.connection->last_transaction - input.byte() % 3 : 0;
    if (type == XS_TRANSACTION_END && transaction != 0 && payload[0] == 'T')
        return commit(world, side, transaction);
    send(world, side, type, transaction, payload);
}

void ring(World& world, World::Side& side, Input& input) {
    const auto text = input.bytes(input.byte());
    for (const char c : text)
        side.ring.req[MASK_XENSTORE_IDX(side.ring.req_prod++)] = c;
    if (input.byte() == 255)
        side.ring.req_prod += input.byte() * 64U;
    if (input.byte() % 2 != 0)
        side.ring.rsp_cons = side.ring.rsp_prod;
    if (input.byte() == 255)
        side.ring.rsp_cons += input.byte();
    static_cast<void>(serve(*world.server, *side.connection, side.ring));
}

void check(const World& world) {
    for (std::uint16_t id = 1; id <= world.sides.size(); ++id) {
        const auto used = world.server->tree().usage(DomainId{id});
        require(used.nodes <= quota.nodes && used.shadows <= quota.shadows && used.blocks <= quota.blocks);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    World world;
    const auto free = world.server->tree().blocks().free_blocks();
    Input input{data, size};
    while (!input.empty()) {
        const auto choice = input.byte();
        auto& side = world.sides[choice % world.sides.size()];
        if (choice % 16 < 13)
            request(world, side, input);
        else
            ring(world, side, input);
        if (choice >= 128) {
            std::array<char, 2 * max_message> sink;
            side.connection->output.take(sink);
        }
        check(world);
    }
    for (auto& side : world.sides) {
        world.server->release(*side.connection);
        require(world.server->remove(Path::home_of(side.connection->domain)).has_value());
    }
    for (std::uint16_t id = 1; id <= world.sides.size(); ++id) {
        const auto used = world.server->tree().usage(DomainId{id});
        require(used.nodes == 0 && used.shadows == 0 && used.blocks == 0);
    }
    require(world.server->tree().blocks().free_blocks() >= free);
    return 0;
}
