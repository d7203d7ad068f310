# The strict guard's ways in and out of a hook, and its way through an exception or interrupt that strikes there. But for
# these lines, a pCPU runs with the strict root only in a hook.
#include "hv/plugin/way_in.inc"

    .set outer_root, 8
    .set strict_root, 16
    .set strict_stack, 24

    .text
# Returned call_on_strict_stack(a, b, c, d, e, function): call_with_way_back in the strict address space, on the stack for
# hooks.
    .globl call_on_strict_stack
call_on_strict_stack:
    begin_call
    mov %cr3, %rbx
    mov %rbx, outer_root(%rax)
    mov strict_stack(%rax), %rsp
    mov strict_root(%rax), %rbx
    mov %rbx, %cr3
    sti
    nop
    call *%r9
    cli
    load_guard %rcx                     # registers are as the hook left them; it cannot write the pointer to the Pcpu
    mov outer_root(%rcx), %rsi
    mov %rsi, %cr3
    mov (%rcx), %rsp
strict_out:
    pop %rcx
    movq $0, outer_root(%rcx)
    movq $0, (%rcx)
    restore_registers
    ret

# Where an abandoned call goes on, with rsp = Guard::rsp, as at guard_way_back.
    .globl strict_way_back
strict_way_back:
    cli
    cld
    mov (%rsp), %rcx
    mov outer_root(%rcx), %rsi
    mov %rsi, %cr3
    jmp strict_out

# Vcpu* strict_trap(Registers*): hypervisor_trap in the address space outside of the hook. entry.S has saved all registers.
    .globl strict_trap
strict_trap:
    load_guard %rax
    mov outer_root(%rax), %rcx
    test %rcx, %rcx
    jz hypervisor_trap
    mov %cr3, %r12
    mov %rcx, %cr3
    sub $8, %rsp
    call hypervisor_trap
    add $8, %rsp
    mov %r12, %cr3
    ret

    .section .note.GNU-stack, "", @progbits
