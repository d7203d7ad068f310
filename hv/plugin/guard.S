# Returned call_with_way_back(a, b, c, d, e, function): calls function(a, b, c, d, e) and answers what it answers. A handler
# that wants the call abandoned says why in Guard::fault and resumes at guard_way_back with rsp = Guard::rsp.
#include "hv/plugin/way_in.inc"

    .text
    .globl call_with_way_back
call_with_way_back:
    begin_call
    sti
    nop                                 # an interrupt that waits comes here, not at some instruction of the hook
    call *%r9
    cli
    pop %rcx
    movq $0, (%rcx)
    add $48, %rsp                       # the function has kept those registers
    ret

    .globl guard_way_back
guard_way_back:
    cli
    cld
    pop %rcx
    movq $0, (%rcx)
    restore_registers
    ret

    .section .note.GNU-stack, "", @progbits
