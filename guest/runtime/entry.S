// Every way into this kernel after boot, and the three switches of context that C++ cannot express.
//
//   from                         to               stack                            saved by the hypervisor
//   exception, kernel            trap_<n>         the interrupted one              rcx r11 [error] rip cs rflags rsp ss
//   exception or int, user       trap_<n>         kernel stack (stack_switch)      the same
//   event upcall                 entry_event      as for an exception              rcx r11 rip cs rflags rsp ss
//   failed return to guest       entry_failsafe   the interrupted one              rcx r11 ds es fs gs rip cs rflags rsp ss
//   syscall, user                entry_syscall    kernel stack                     rcx r11 rip cs rflags rsp ss
//   sysenter, user               entry_sysenter   kernel stack                     the same, rip and rsp are 0
//
// All of them build a traps::Frame, call guest_trap(Frame*) and go back with the iret hypercall.

#define IRET_STUB (hypercall_page + 23 * 32)

    .macro save_registers
    push %rdi
    push %rsi
    push %rdx
    push %rax
    push %r8
    push %r9
    push %r10
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm

    .macro restore_registers
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    pop %rdx
    pop %rsi
    pop %rdi
    .endm

    .macro with_error vector:req
    push $\vector
    jmp entry_common
    .endm

    .macro without_error vector:req
    pop %rcx
    pop %r11
    push $0
    push %r11
    push %rcx
    push $\vector
    jmp entry_common
    .endm

    .text
entry_common:
    save_registers
    cld
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call guest_trap
    mov %rbx, %rsp
resume_frame:                   // rsp -> traps::Frame
    restore_registers
    add $8, %rsp                // vector
    pop %rcx
    pop %r11
    movq $0, (%rsp)             // the error code's place holds the flags of the iret hypercall
    jmp IRET_STUB

    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 18, 19, 20, 128
trap_\n:
    without_error \n
    .endr
    .globl trap_2               // for a kernel that registers it by callback_op
    .irp n, 8, 10, 11, 12, 13, 14, 17
trap_\n:
    with_error \n
    .endr

    .globl entry_event
entry_event:
    without_error 256
    .globl entry_failsafe
entry_failsafe:
    add $48, %rsp
    push $0
    push $0
    push $0
    push $257
    jmp entry_common
    .globl entry_syscall
entry_syscall:
    without_error 258
    .globl entry_sysenter
entry_sysenter:
    without_error 259

// int guarded_call(void (*f)(void*), void* argument, std::uint64_t* saved_rsp): 0 if f returned; 1 if the trap handler
// resumed at guarded_resume with rsp = *saved_rsp.
    .globl guarded_call
guarded_call:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    sub $8, %rsp
    mov %rsp, (%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    xor %eax, %eax
1:  add $8, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .globl guarded_resume
guarded_resume:
    mov $1, %eax
    jmp 1b

// void enter_user(const traps::Frame* frame, std::uint64_t* saved_rsp): runs the frame in user mode; returns when
// leave_user is called with what it saved.
    .globl enter_user
enter_user:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %rsp, (%rsi)
    mov %rdi, %rsi
    sub $(22 * 8), %rsp         // a copy on the stack: an upcall may push below it until the switch is made
    mov %rsp, %rdi
    mov $22, %ecx
    rep movsq
    jmp resume_frame
    .globl leave_user
leave_user:                     // rdi = saved rsp
    mov %rdi, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret

// Vector and entry point of each trap, read by traps.cpp; ends with a zero entry point.
    .section .rodata
    .balign 8
    .globl trap_entries
trap_entries:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 128
    .quad \n, trap_\n
    .endr
    .quad 0, 0

    .section .note.GNU-stack, "", @progbits
