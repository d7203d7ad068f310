#include "tests/sim/guard_text.hpp"

asm(R"(
    .text
    .balign 16
    .globl guard_text_start, guard_text_end
guard_text_start:

    .globl guard_nothing
guard_nothing:
    ret

    .globl guard_sum
guard_sum:
    mov (%rdi), %rax
    lea (%rax,%rsi,2), %rax
    lea (%rdx,%rdx,2), %rdx
    add %rdx, %rax
    movzwl %cx, %ecx
    lea (%rax,%rcx,4), %rax
    mov %r8d, %r8d
    lea (%r8,%r8,4), %r8
    add %r8, %rax
    ret

    .globl guard_pair
guard_pair:
    mov %rdi, %rax
    mov %rsi, %rdx
    ret

    .globl guard_first, guard_pcpu, guard_bool, guard_pointer
guard_first:
guard_pcpu:
guard_bool:
guard_pointer:
    mov %rdi, %rax
    ret

    .globl guard_stack_pointer
guard_stack_pointer:
    mov %rsp, %rax
    ret

    .globl guard_read_null
guard_read_null:
    xor %eax, %eax
    mov (%rax), %eax
    ret

    .globl guard_write_text
guard_write_text:
1:  lea 1b(%rip), %rax
    movb $0, (%rax)
    ret

    .globl guard_no_address
guard_no_address:
    movabs $0x8000000000000000, %rax
    mov (%rax), %eax
    ret

    .globl guard_undefined
guard_undefined:
    ud2

    .globl guard_divide
guard_divide:
    xor %ecx, %ecx
    xor %edx, %edx
    mov $1, %eax
    idivl %ecx
    ret

    .globl guard_breakpoint
guard_breakpoint:
    int3
    ret

    .globl guard_jump_null
guard_jump_null:
    xor %eax, %eax
    call *%rax
    ret

    .globl guard_jump_to
guard_jump_to:
    jmp *%rdi

    .globl guard_recurse
guard_recurse:
1:  push %rbx
    call 1b
    pop %rbx
    ret

    .globl guard_lose_stack
guard_lose_stack:
    mov $64, %esp
    pop %rbp
    ret

    .globl guard_loop_without_stack
guard_loop_without_stack:
    xor %esp, %esp
1:  pause
    jmp 1b

    .globl guard_loop
guard_loop:
1:  pause
    jmp 1b

    .globl guard_loop_with_flags
guard_loop_with_flags:
    pushf
    orl $0x40400, (%rsp)
    popf
1:  pause
    jmp 1b

    .globl guard_lose_registers
guard_lose_registers:
    mov $-1, %rax
    mov %rax, %rbx
    mov %rax, %rbp
    mov %rax, %r12
    mov %rax, %r13
    mov %rax, %r14
    mov %rax, %r15
    ud2

    .globl guard_serve
guard_serve:
    push %rbx
    push %r12
    push %r13
    mov %rdi, %rbx
    mov %rsi, %r12
    mov %rdx, %r13
1:  mov %r12, %rdi
    call *%rbx
    dec %r13
    jnz 1b
    pop %r13
    pop %r12
    pop %rbx
    ret

    .globl guard_serve_low
guard_serve_low:
    push %rbp
    mov %rsp, %rbp
    lea 16(%rdx), %rsp
    and $-16, %rsp
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    leave
    ret

    .balign 16
guard_text_end:
)");
