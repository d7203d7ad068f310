// Cases that the fuzzers of the whole hypervisor meet too seldom, one after another: every allocation for the
// seat of a disk or of an interface fails once, and a domain with 32 vCPUs is destroyed. And what they rest
// on: a run depends on its input alone.
#include "abi/control.hpp"
#include "hv/base/machine.hpp"
#include "hv/mm/frame.hpp"
#include "tests/fuzz/allocations.hpp"
#include "tests/fuzz/whole/cost.hpp"
#include "tests/fuzz/whole/fronts.hpp"
#include "tests/fuzz/whole/plan_of_translations.hpp"
#include "tests/fuzz/whole/processor.hpp"
#include "tests/fuzz/whole/script.hpp"
#include "tests/fuzz/whole/script_guest.hpp"
#include "tests/fuzz/whole/truths.hpp"

#include <array>
#include <cstdio>
#include <random>
#include <vector>

namespace bulkhead::hv::whole {
namespace {

// Its device serves it: a read of the disk, or a packet, is answered as it must be.
void use(Script& script, Guest& guest, Device device) {
    guest.prepare();
    if (device == Device::disk)
        guest.act(std::array<std::uint8_t, 1>{0});
    else
        guest.act(std::array<std::uint8_t, 1>{4});
    Script::require(!guest.front.has_all_answers(), "the front end asked for nothing");
    for (int i = 0; i < 1'000 && !guest.front.has_all_answers(); ++i) {
        script.let_pass(microseconds(200));
        const auto problem = guest.front.judge();
        Script::require(problem.empty(), problem);
    }
    Script::require(guest.front.has_all_answers(), "a request beside a failure is not answered");
}

// Connects the guest's device after each allocation for it has failed once. Domain 0 gets the error, the
// guest's port and pages are its own again, and another guest's device works on. How many allocations there
// were.
std::uint64_t connect_at_last(Script& script, Device device, Guest& guest, Guest& other, bool keeps_frames) {
    guest.prepare();
    const auto port = guest.front.waiting_port();
    const auto free = frame_table().free_frames(), metadata = guest.domain.memory.metadata;
    for (std::uint64_t number = 1;; ++number) {
        test::fail_in(number);
        const auto answer = connect(script, guest, device, 1);
        const auto made = test::allocations().made;
        test::fail_in(0);
        if (answer == 0) {
            Script::require(made < number, "an allocation that failed is not noticed");
            guest.front.connected(device, 1, port);
            return number - 1;
        }
        const auto which = "allocation " + std::to_string(number) + ": ";
        Script::require(answer == -static_cast<std::int64_t>(Error::no_memory),
                        which + "the answer is " + std::to_string(answer));
        Script::require(guest.front.waiting_port() == port, which + "the port waits no longer");
        Script::require(!guest.lends_in_use(), which + "a page is still in use");
        Script::require(guest.domain.memory.metadata == metadata, which + "metadata is left");
        Script::require(!keeps_frames || frame_table().free_frames() == free, which + "a page is lost");
        use(script, other, device);
    }
}

void disconnect(Script& script, Guest& guest, Device device, std::uint32_t number) {
    guest.front.disconnecting(device);
    const auto call =
        device == Device::disk ? control::Call::disconnect_disk : control::Call::disconnect_interface;
    const auto answer = script.call(dom0(), control_call(call, guest.domain.id.value(), number));
    Script::require(answer == 0, "a device does not disconnect");
    guest.front.disconnected(device);
}

// A policy keeps the pages of its pools for the next guest, so that only a second round must lose none at
// all.
void fail_every_allocation(Device device) {
    Script script{2, true};
    Guest first{script, 1}, second{script, 2};
    const auto port = first.front.waiting_port();
    Script::require(connect(script, first, device, 0) == 0, "a device does not connect");
    first.front.connected(device, 0, port);
    use(script, first, device);
    for (const bool again : {false, true}) {
        const auto failures = connect_at_last(script, device, second, first, again);
        Script::require(failures > 1, "a connection allocates nothing");
        std::printf("%llu allocations for %s failed, each once\n", static_cast<unsigned long long>(failures),
                    device == Device::disk ? "a disk" : "an interface");
        use(script, second, device);
        disconnect(script, second, device, 1);
    }
    disconnect(script, first, device, 0);
    Script::require(are_all_seats_free(), "a seat is taken for ever");
}

// Domain 0 builds a domain all of whose vCPUs are about to run.
std::uint16_t build_a_large_domain(Script& script) {
    constexpr std::uint32_t frames = 12;
    const auto call_with = [&](control::Call call, const auto& request) {
        Place place{dom0()};
        const auto at = place.put(request);
        Script::require(script.call(dom0(), control_call(call, at)) == 0, "domain 0 builds no domain");
        return at;
    };
    control::CreateDomain request{};
    request.frames = frames;
    request.max_frames = 40;
    request.vcpus = max_vcpus;
    request.dilation = 1000;
    const auto at = call_with(control::Call::create_domain, request);
    const auto id = reinterpret_cast<const control::CreateDomain*>(at)->id;
    std::array<Mfn, frames> memory;
    for (auto& mfn : memory) {
        mfn = frame_table().allocate(*find_domain(DomainId{id})).value();
        machine::set_m2p(mfn, static_cast<std::uint64_t>(&mfn - memory.data()));
    }
    fill_tables(memory.data(), frames);
    for (std::uint16_t vcpu = 0; vcpu < max_vcpus; ++vcpu) {
        Place place{dom0()};
        control::SetVcpu context{};
        context.domain = id;
        context.vcpu = vcpu;
        context.context = place.put(context_of(memory[0]));
        Script::require(script.call(dom0(), control_call(control::Call::set_vcpu, place.put(context))) == 0,
                        "domain 0 starts no vCPU");
    }
    Script::require(script.call(dom0(), control_call(control::Call::unpause_domain, id)) == 0,
                    "a domain does not begin");
    return id;
}

void destroy_a_large_domain() {
    Script script{1, false};
    const auto id = build_a_large_domain(script);
    script.let_pass(milliseconds(1));
    static_cast<void>(script.longest_section() + script.longest_piece());
    Script::require(script.call(dom0(), control_call(control::Call::destroy_domain, id)) == 0,
                    "a domain with 32 vCPUs is not destroyed");
    const auto longest = script.longest_section();
    const auto piece = script.longest_piece();
    std::printf("destroying a domain with 32 vCPUs: the longest section has %llu blocks, a piece %llu\n",
                static_cast<unsigned long long>(longest), static_cast<unsigned long long>(piece));
    Script::require(longest <= longest_section && piece <= longest_piece,
                    "the destruction has a long section");
}

// When a run with this input ends. What the input means is as good as any.
std::int64_t end_of_run(unsigned input) {
    std::minstd_rand random{input + 1};
    std::vector<std::uint8_t> bytes(plan_of_translations.longest_input);
    for (auto& byte : bytes)
        byte = static_cast<std::uint8_t>(random() >> 8);
    run(plan_of_translations, bytes);
    return clock_now();
}

void run_again_after_others() {
    constexpr unsigned inputs = 24;
    std::array<std::int64_t, inputs> ends{};
    static_cast<void>(end_of_run(inputs)); // the machine starts
    for (unsigned i = 0; i < inputs; ++i)
        ends[i] = end_of_run(i);
    for (unsigned i = inputs; i-- > 0;)
        Script::require(end_of_run(i) == ends[i], "a run depends on the one before it");
    std::printf("%u runs end at the same instants after other ones\n", inputs);
}

} // namespace
} // namespace bulkhead::hv::whole

int main(int argc, char** argv) {
    using namespace bulkhead::hv::whole;
    const std::string which = argc > 1 ? argv[1] : "";
    if (which == "disk")
        fail_every_allocation(Device::disk);
    else if (which == "interface")
        fail_every_allocation(Device::interface);
    else if (which == "destroy")
        destroy_a_large_domain();
    else if (which == "again")
        run_again_after_others();
    else
        Script::require(false, "whole_steps disk | interface | destroy | again");
}
