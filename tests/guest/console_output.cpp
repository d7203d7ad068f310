// console_io: text is written, text in bad memory is refused, a read with nothing typed gives nothing. A
// domain without the right to it gets EPERM for all.
#include "guest/runtime/hypercall.hpp"
#include "tests/guest/test.hpp"
#include "tests/guest/width.hpp"

using namespace bulkhead;
using namespace bulkhead::guest_test;

GUEST_TEST(console_output, "console_io writes, reads and refuses") {
    std::array<char, 24> line{"console_io speaks\n"};
    const auto written = hypercall::console_io(CONSOLEIO_write, std::span{line}.first(18));
    if (!written && (written.error() == Error::not_permitted || written.error() == Error::no_such_call))
        skip("this domain may not use console_io");
    works(written, "write");
    check(works(hypercall::console_io(CONSOLEIO_read, line), "read") == 0, "input came from nowhere");
    refused(hypercall::checked(
                hypercall::raw(__HYPERVISOR_console_io, CONSOLEIO_write, 16, hypervisor_last_page)),
            Error::fault, "text in the hypervisor's memory");
    refused(hypercall::checked(hypercall::raw(__HYPERVISOR_console_io, CONSOLEIO_write, 16, 0x123000)),
            Error::fault, "text that is not mapped");
    refused(hypercall::console_io(55, line), Error::no_such_call, "an unknown command");
}
