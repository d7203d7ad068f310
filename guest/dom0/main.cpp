// Domain 0: reads the boot manifest, builds the guests, answers xenstore, plays the timeline. It configures
// and never touches the guests' data.
#include "guest/dom0/control.hpp"
#include "guest/dom0/machine.hpp"
#include "guest/runtime/print.hpp"
#include "guest/runtime/start.hpp"

namespace {
// Static: together they are larger than the stack.
constinit bulkhead::dom0::Machine machine{};
} // namespace

void bulkhead::guest::guest_main() {
    if (!is_control_domain())
        panic("dom0: this is domain 0's image, and this domain has no privilege");
    const auto manifest = dom0::Manifest::open(module());
    if (!manifest) {
        print("dom0: the boot manifest is damaged: {} (entry {})\n", dom0::message(manifest.error().error),
              manifest.error().index);
        dom0::end_run(landmark::Exit::bad_input);
    }
    machine.start(*manifest);
    machine.run();
}
