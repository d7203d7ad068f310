#include "hv/arch/panic.hpp"

#include "hv/arch/pcpu.hpp"
#include "hv/arch/power.hpp"
#include "hv/base/log.hpp"
#include "hv/base/machine.hpp"
#include "hv/domain/dump.hpp"
#include "hv/io/console.hpp"
#include "hv/io/output.hpp"
#include "hv/trace/landmark.hpp"

namespace bulkhead::hv {

namespace {

bool panicking = false;

[[noreturn]] void die(const char* message, landmark::Exit status, landmark::State state) {
    auto& page = landmark_page();
    landmark::copy_text(page.message, message);
    page.exit_status = status;
    page.state = state;
    flush_output();
    stop_machine(static_cast<std::uint32_t>(status));
}

[[noreturn]] void die(const char* message) {
    die(message, landmark::Exit::panicked, landmark::State::panicked);
}

} // namespace

void panic_at(const Registers& regs, std::uint64_t fault_address) {
    if (!panicking) {
        panicking = true;
        log("panic: exception %lu (error %lx) at %lx, address %lx\n", regs.vector, regs.error, regs.rip,
            fault_address);
        dump_hypervisor(regs, fault_address);
    }
    die("an exception in the hypervisor");
}

void machine::panic(const char* message) {
    if (!panicking) {
        panicking = true;
        log("panic: %s\n", message);
    }
    die(message);
}

void machine::out_of_memory(const char* message) {
    if (landmark_page().state != landmark::State::booting)
        panic(message);
    log("%s\n", message);
    die(message, landmark::Exit::bad_input, landmark::State::finished);
}

} // namespace bulkhead::hv
