# Returned call_with_way_back(a, b, c, d, e, function): calls function(a, b, c, d, e) and answers what it answers. The Guard
# is the first member of the Pcpu, which the end of the stack area points to. A handler that wants the call abandoned says
# why in Guard::fault and resumes at guard_way_back with rsp = Guard::rsp.
    .text
    .globl call_with_way_back
call_with_way_back:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, %rax
    or $0x7fff, %rax
    mov -63(%rax), %rax
    push %rax
    mov %rsp, (%rax)                    # Guard::rsp; not 0: a call is in progress
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
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack, "", @progbits
