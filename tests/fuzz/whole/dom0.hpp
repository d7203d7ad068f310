// Domain 0 of a run: builds guests call by call, as its builder does, and ends, pauses and tunes them.
#pragma once

#include "tests/fuzz/whole/fronts.hpp"
#include "tests/fuzz/whole/machine.hpp"

#include <array>
#include <optional>

namespace bulkhead::hv::whole {

class Dom0 {
  public:
    Dom0(test::Input& input, const Plan& plan, Calls& calls, Fronts& fronts)
        : input_{input}, plan_{plan}, calls_{calls}, fronts_{fronts} {}

    // What its vCPU calls next; nothing: a call that any guest may make.
    [[nodiscard]] std::optional<Call> next(Vcpu& vcpu, Place& place);
    // The answer to that.
    void answered(std::int64_t answer);
    // From now on it destroys all that there are.
    void end_all();
    [[nodiscard]] bool ended_all() const;

  private:
    enum class Stage : std::uint8_t { none, create, populate, load, start };
    static constexpr std::uint32_t frames = 12;

    [[nodiscard]] std::optional<Call> build(Place& place);
    [[nodiscard]] bool memory_is_untouched() const;
    [[nodiscard]] Call create(Place& place);
    [[nodiscard]] Call populate(Place& place);
    [[nodiscard]] Call load(Place& place);
    [[nodiscard]] std::optional<Call> choose(Place& place);
    [[nodiscard]] std::optional<Call> connect(Place& place);
    [[nodiscard]] Call connect_right(Place& place, FrontEnd& front, DomainId id, Device device);
    [[nodiscard]] Call connect_wrong(Place& place, std::uint16_t id, Device device);
    [[nodiscard]] Call disconnect();
    void note_connection(std::int64_t answer);
    [[nodiscard]] Call tune();
    [[nodiscard]] std::uint32_t count_guests() const;
    [[nodiscard]] std::optional<Call> end_one();

    test::Input& input_;
    const Plan& plan_;
    Calls& calls_;
    Fronts& fronts_;
    struct Pending { // the call under way that concerns a front end
        DomainId id{};
        Device device{};
        std::uint32_t number = 0, port = 0;
        bool connects = false;
    };
    std::optional<Pending> pending_;
    bool ending_ = false;
    Stage stage_ = Stage::none; // of the domain that it builds
    bool builds_ = false;       // the call under way is of that
    std::uint16_t built_ = 0;
    std::uint64_t request_ = 0; // where the call's structure lies
    const std::uint64_t* list_ = nullptr;
    std::array<Mfn, frames> memory_{};
    std::optional<std::uint16_t> dying_; // whose destruction was begun and answered busy
};

} // namespace bulkhead::hv::whole
