// Memory ends at every allocation: the k-th one of each operation fails, for all k until the operation makes
// fewer, alone and with all that follow. The hypervisor does not panic, the caller gets an error, the audits
// agree, nothing is lost, no section, hook or holding of a lock is long, and the operation succeeds
// afterwards. At the end no place of the hypervisor that allocates may have been left out.
#include "hv/domain/domain.hpp"
#include "hv/grant/table.hpp"
#include "hv/mm/frame.hpp"
#include "hv/mm/pae_m2p.hpp"
#include "hv/mm/paging.hpp"
#include "tests/fuzz/allocation_sites.hpp"
#include "tests/fuzz/allocations.hpp"
#include "tests/fuzz/exhaustion_cases.hpp"
#include "tests/fuzz/whole/cost.hpp"
#include "tests/fuzz/whole/processor.hpp"
#include "tests/fuzz/whole/truths.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/wait.h>
#include <unistd.h>

namespace bulkhead::hv::whole {
namespace {

// What domains have, and what is left or was made for good: tables and pages of the hypervisor's half, and
// the machine-to-physical table of 32-bit guests.
struct Account {
    std::uint64_t domains = 0, frames = 0, metadata = 0, promised = 0, rest = 0;
    bool operator==(const Account&) const = default;
};

Account account() {
    const auto& m2p = pae::the_m2p;
    const auto tables = m2p.l1s.size() - static_cast<std::uint64_t>(std::ranges::count(m2p.l1s, Mfn{}));
    Account it{.promised = frame_table().promised_frames(),
               .rest = frame_table().free_frames() + frames_of_half() + tables + m2p.pages};
    for_each_domain([&](const Domain& domain) {
        ++it.domains;
        it.frames += domain.memory.frames.count;
        it.metadata += domain.memory.metadata;
    });
    return it;
}

std::string text(const Account& it) {
    const auto number = [](std::uint64_t value) { return std::to_string(value) + ' '; };
    return number(it.domains) + "domains " + number(it.frames) + "frames " + number(it.metadata) +
           "metadata " + number(it.promised) + "promised " + number(it.rest) + "free or the hypervisor's";
}

// One run of a case, in which allocation `number` fails, and all later ones if it `lasts`.
class Trial {
  public:
    Trial(const Case& of, std::uint64_t number, bool lasts) : case_{of}, number_{number}, lasts_{lasts} {
        test::watch_allocation_sites(true);
        watch_locks();
        case_.prepare(scene_);
    }
    ~Trial() { test::watch_allocation_sites(false); }
    Trial(const Trial&) = delete;
    Trial& operator=(const Trial&) = delete;

    // False: the operation makes fewer allocations.
    bool go() {
        const auto before = account();
        test::fail_in(number_, lasts_);
        const auto answer = case_.perform(scene_);
        const bool failed = test::allocations().made >= number_ && number_ != 0;
        test::fail_in(0);
        judge();
        if (!failed || answer == 0) {
            require(answer == 0, "the answer is " + std::to_string(answer));
            tolerated_ = failed;
            return failed;
        }
        require(answer == -static_cast<std::int64_t>(Error::no_memory) ||
                    answer == -static_cast<std::int64_t>(Error::no_space),
                "the answer is " + std::to_string(answer));
        if (!case_.keeps_part)
            require(account() == before, "before: " + text(before) + ", afterwards: " + text(account()));
        const auto again = case_.perform(scene_);
        require(again == 0, "afterwards the answer is " + std::to_string(again));
        judge();
        return true;
    }
    // Whether the operation succeeded in spite of the failure.
    [[nodiscard]] bool tolerated() const { return tolerated_; }

    // All guests are destroyed: what is left of frames then.
    Account end() {
        constexpr unsigned rounds = 8; // one that lends waits for those that map
        for (unsigned i = 0; i < rounds; ++i)
            for (auto* domain = next_domain(1); domain != nullptr;) {
                const auto slot = domain->sched.slot;
                static_cast<void>(scene_.script.call(
                    dom0(), control_call(control::Call::destroy_domain, domain->id.value())));
                domain = next_domain(slot + 1);
            }
        judge();
        require(next_domain(1) == nullptr && are_all_seats_free(), "a domain or a ring is left");
        return account();
    }

    void require(bool good, const std::string& what) const {
        if (!good)
            Script::require(false, std::string{case_.name} + ", allocation " + std::to_string(number_) +
                                       (lasts_ ? " and later ones" : "") + " failed: " + what);
    }

  private:
    void judge() {
        const auto slow = what_took_too_long();
        require(slow.empty(), slow);
        const auto section = scene_.script.longest_section();
        require(section <= longest_section, "a section of " + std::to_string(section) + " blocks");
        require(audit() == 0, "the frame audit failed");
        require(audit_grants() == 0, "use counts and records differ");
        for (const auto& problem : {broken_port(), lost_wake_up()})
            require(problem.empty(), problem);
    }

    const Case& case_;
    std::uint64_t number_;
    bool lasts_, tolerated_ = false;
    Scene scene_;
};

void force(const Case& each) {
    const auto expected = [&] {
        Trial trial{each, 0, false};
        static_cast<void>(trial.go());
        return trial.end();
    }();
    for (const bool lasts : {false, true}) {
        unsigned tolerated = 0;
        std::uint64_t number = 1;
        for (bool fails = true; fails; ++number) {
            Trial trial{each, number, lasts};
            fails = trial.go();
            tolerated += trial.tolerated();
            trial.require(tolerated <= each.tolerates, "the operation succeeds all the same");
            const auto left = trial.end();
            trial.require(left == expected, "at the end " + text(left) + ", not " + text(expected));
        }
        if (!lasts)
            std::printf("%s: %llu allocations\n", each.name, static_cast<unsigned long long>(number - 2));
    }
}

// How a start ends in which allocation `number` fails, in a process of its own.
enum class Start : std::uint8_t { refused = 42, goes_on, makes_fewer };

Start start_without(std::uint64_t number) {
    const auto child = ::fork();
    if (child == 0) {
        on_refusal = [](const char* why) { ::_exit(why[0] != '\0' ? static_cast<int>(Start::refused) : 1); };
        test::fail_in(number);
        const Scene scene;
        ::_exit(static_cast<int>(test::allocations().made < number ? Start::makes_fewer : Start::goes_on));
    }
    int status = 0;
    Script::require(child > 0 && ::waitpid(child, &status, 0) == child, "no process for a start");
    const Start how{static_cast<std::uint8_t>(WEXITSTATUS(status))};
    Script::require(WIFEXITED(status) &&
                        (how == Start::refused || how == Start::goes_on || how == Start::makes_fewer),
                    "allocation " + std::to_string(number) + " of a start failed: no reason is given");
    return how;
}

// The machine starts without a failure, or ends with a reason.
void force_starts() {
    std::uint64_t number = 1, tolerated = 0;
    for (auto how = start_without(number); how != Start::makes_fewer; how = start_without(++number))
        tolerated += how == Start::goes_on;
    Script::require(tolerated <= guests, "a start goes on without memory"); // whose pages are not sampled
    std::printf("the start of a machine: %llu allocations\n", static_cast<unsigned long long>(number - 1));
    test::watch_allocation_sites(true);
    const Scene scene; // where they were
    test::watch_allocation_sites(false);
    test::note_that_all_failed();
}

constexpr char real_device[] = "of a device that this machine has not, at its start";
constexpr test::Excused excused[] = {
    {"real_rings::start(", real_device},
    {"start_real_seats(", real_device},
    {"make_queue(", real_device},
    {"RealDrive::RealDrive(", real_device},
    {"VirtioBlock::start(", real_device},
    {"VirtioNet::start(", real_device},
    {"uplink::start(", real_device},
    {"38276748541952ul", "of policies of real disks: the template of the other ring policies"},
    {"FrameTable::allocate_run(", "of order 0, for which calls take allocate()"},
};

} // namespace
} // namespace bulkhead::hv::whole

int main() {
    using namespace bulkhead::hv;
    static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ));
    whole::force_starts();
    for (const auto& each : whole::exhaustion_cases())
        whole::force(each);
    const auto left_out = test::left_out_sites(whole::excused);
    whole::Script::require(left_out.empty(), left_out);
}
