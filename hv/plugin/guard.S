# bool call_with_way_back(Guard* guard, void (*body)(void*), void* context): true if body returned. A handler that wants
# the call abandoned resumes at guard_way_back with rdi = guard and rsp = guard->rsp; the answer is then false.
    .text
    .globl call_with_way_back
call_with_way_back:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    push %rdi
    mov %rsp, (%rdi)                    # Guard::rsp; not 0: a call is in progress
    mov %rsi, %rax
    mov %rdx, %rdi
    sti
    call *%rax
    cli
    pop %rdi
    movq $0, (%rdi)
    mov $1, %eax
    jmp 1f
    .globl guard_way_back
guard_way_back:
    cli
    cld
    pop %rdi
    movq $0, (%rdi)
    xor %eax, %eax
1:  pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

    .section .note.GNU-stack, "", @progbits
