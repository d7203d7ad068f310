// Every way into a 32-bit kernel after boot, and the three switches of context that C++ cannot express.
//
//   from                         to               stack                            saved by the hypervisor
//   exception, kernel            trap_<n>         the interrupted one              [error] eip cs eflags
//   exception or int, user       trap_<n>         kernel stack (stack_switch)      [error] eip cs eflags esp ss
//   event upcall                 entry_event      as for an exception              the same, without error
//   failed return to guest       entry_failsafe   as for an exception              ds es fs gs eip cs eflags [esp ss]
//
// All of them build a traps::Frame, call guest_trap(Frame*) and go back with the iret hypercall.

    .set user_data, 0xe033          // ring 1 may use it too; an application may have left any
    .set iret_call, 23

    .macro with_error vector:req
    push $\vector
    jmp entry_common
    .endm

    .macro without_error vector:req
    push $0
    push $\vector
    jmp entry_common
    .endm

    .text
entry_common:
    pusha
    mov $user_data, %eax
    mov %eax, %ds
    mov %eax, %es
    cld
    push %esp
    call guest_trap
    add $4, %esp
resume_frame:                       // esp -> traps::Frame
    popa
    add $8, %esp                    // vector, error
    push %eax
    mov $iret_call, %eax
    int $0x82
    ud2

    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 18, 19, 20, 128
trap_\n:
    without_error \n
    .endr
    .globl trap_2                   // for a kernel that registers it by callback_op
    .irp n, 8, 10, 11, 12, 13, 14, 17
trap_\n:
    with_error \n
    .endr

    .globl entry_event
entry_event:
    without_error 256
    .globl entry_failsafe
entry_failsafe:
    add $16, %esp                   // the data selectors: ours are loaded above
    without_error 257
    .globl entry_syscall            // which a 32-bit kernel takes by a vector
entry_syscall:
    ud2

// int guarded_call(void (*f)(void*), void* argument, Word* saved_rsp): 0 if f returned; 1 if the trap handler resumed at
// guarded_resume with edx = *saved_rsp.
    .globl guarded_call
guarded_call:
    mov 4(%esp), %eax
    mov 8(%esp), %ecx
    mov 12(%esp), %edx
    push %ebx
    push %ebp
    push %esi
    push %edi
    mov %esp, (%edx)
    push %ecx
    call *%eax
    add $4, %esp
    xor %eax, %eax
1:  pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret
    .globl guarded_resume
guarded_resume:
    mov %edx, %esp
    mov $1, %eax
    jmp 1b

// void enter_user(const traps::Frame* frame, Word* saved_rsp): runs the frame in user mode; returns when leave_user is called
// with what it saved.
    .globl enter_user
enter_user:
    mov 4(%esp), %eax
    mov 8(%esp), %edx
    push %ebx
    push %ebp
    push %esi
    push %edi
    mov %esp, (%edx)
    mov %eax, %esi
    sub $(15 * 4), %esp             // a copy on the stack: an upcall may push below it until the switch is made
    mov %esp, %edi
    mov $15, %ecx
    rep movsl
    jmp resume_frame
    .globl leave_user
leave_user:                         // the argument is the saved esp
    mov 4(%esp), %esp
    pop %edi
    pop %esi
    pop %ebp
    pop %ebx
    ret

// Vector and entry point of each trap, read by traps.cpp; ends with a zero entry point.
    .section .rodata
    .balign 4
    .globl trap_entries
trap_entries:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 128
    .long \n, trap_\n
    .endr
    .long 0, 0

    .section .note.GNU-stack, "", @progbits
