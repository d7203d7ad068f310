// A guest of xenstore in a test: builds messages, sends them to the server or through a ring, takes replies
// apart.
#pragma once

#include "guest/dom0/xenstore/transport.hpp"

#include <cstring>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace bulkhead::test {

struct Message {
    std::uint32_t type;
    std::uint32_t request;
    std::uint32_t transaction;
    std::string body;
    friend bool operator==(const Message&, const Message&) = default;
};

// A server with room for a few guests, and its storage.
class Xenstore {
  public:
    explicit Xenstore(const xenstore::Quota& quota = {}, std::size_t nodes = 4096, std::size_t blocks = 8192)
        : nodes_(nodes), blocks_(blocks), journal_(4096), usage_(xenstore::max_domains),
          server_{std::make_unique<xenstore::Server>()} {
        server_->start({.nodes = nodes_,
                        .blocks = blocks_,
                        .journal = journal_,
                        .usage = std::span<xenstore::Usage, xenstore::max_domains>{usage_}},
                       quota);
    }
    xenstore::Server& operator*() { return *server_; }
    xenstore::Server* operator->() { return server_.get(); }

    // The home of a domain as the builder makes it: readable by the domain, `data` its own.
    void make_home(std::uint16_t id) {
        const DomainId domain{id};
        const auto home = xenstore::Path::home_of(domain);
        EXPECT_TRUE(server_->make(home, xenstore::readable_by(DomainId{0}, domain)));
        EXPECT_TRUE(server_->make(home / "data", xenstore::readable_by_all(domain)));
        EXPECT_TRUE(server_->make(home / "name", xenstore::readable_by_all(DomainId{0})));
        EXPECT_TRUE(server_->write(home / "name", "guest" + std::to_string(id)));
    }

  private:
    std::vector<xenstore::Node> nodes_;
    std::vector<xenstore::Block> blocks_;
    std::vector<xenstore::Change> journal_;
    std::vector<xenstore::Usage> usage_;
    std::unique_ptr<xenstore::Server> server_;
};

class Guest {
  public:
    Guest(Xenstore& store, std::uint16_t id)
        : server_{*store}, connection_{std::make_unique<xenstore::Connection>(DomainId{id})} {
        server_.introduce(*connection_);
    }
    Guest(const Guest&) = delete;
    ~Guest() { server_.release(*connection_); }

    xenstore::Connection& connection() { return *connection_; }

    // Sends one request and returns everything that came back.
    std::vector<Message> exchange(std::uint32_t type, std::string body, std::uint32_t transaction = 0) {
        const xsd_sockmsg header{type, ++requests_, transaction, static_cast<std::uint32_t>(body.size())};
        server_.handle(*connection_, header, body);
        server_.send_due_events(*connection_);
        return received();
    }
    std::vector<Message> received() {
        std::string bytes(4 * xenstore::max_message, '\0');
        bytes.resize(connection_->output.take(bytes));
        return split(bytes);
    }
    static std::vector<Message> split(std::string_view bytes) {
        std::vector<Message> messages;
        while (!bytes.empty()) {
            xsd_sockmsg header;
            std::memcpy(&header, bytes.data(), sizeof header);
            messages.push_back({header.type, header.req_id, header.tx_id,
                                std::string{bytes.substr(sizeof header, header.len)}});
            bytes.remove_prefix(sizeof header + header.len);
        }
        return messages;
    }

    // The reply's body, or "!ENOENT" and so on. Other messages (events) are kept for events().
    std::string ask(std::uint32_t type, std::string body, std::uint32_t transaction = 0) {
        std::string answer = "no reply";
        for (auto& message : exchange(type, std::move(body), transaction))
            if (message.type == XS_WATCH_EVENT)
                events_.push_back(printable(message.body));
            else
                answer = message.type == XS_ERROR ? "!" + message.body.substr(0, message.body.size() - 1)
                                                  : message.body;
        return answer;
    }
    std::string read(const std::string& path, std::uint32_t transaction = 0) {
        return ask(XS_READ, path + '\0', transaction);
    }
    std::string write(const std::string& path, const std::string& value, std::uint32_t transaction = 0) {
        return printable(ask(XS_WRITE, path + '\0' + value, transaction));
    }
    std::string list(const std::string& path, std::uint32_t transaction = 0) {
        return printable(ask(XS_DIRECTORY, path + '\0', transaction));
    }
    std::string remove(const std::string& path, std::uint32_t transaction = 0) {
        return printable(ask(XS_RM, path + '\0', transaction));
    }
    std::string watch(const std::string& path, const std::string& token) {
        return printable(ask(XS_WATCH, path + '\0' + token + '\0'));
    }
    std::uint32_t begin() {
        return static_cast<std::uint32_t>(std::stoul(ask(XS_TRANSACTION_START, std::string(1, '\0'))));
    }
    std::string end(std::uint32_t transaction, bool keep = true) {
        return printable(ask(XS_TRANSACTION_END, std::string{keep ? "T" : "F"} + '\0', transaction));
    }
    std::vector<std::string> events() {
        for (auto& message : received())
            events_.push_back(printable(message.body));
        return std::exchange(events_, {});
    }

    // Zero bytes become '|'.
    static std::string printable(std::string text) {
        for (auto& c : text)
            c = c == '\0' ? '|' : c;
        return text;
    }

  private:
    xenstore::Server& server_;
    std::unique_ptr<xenstore::Connection> connection_;
    std::uint32_t requests_ = 0;
    std::vector<std::string> events_;
};

} // namespace bulkhead::test
