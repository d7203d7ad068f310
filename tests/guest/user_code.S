// Position-independent code that tests run in user mode, in both widths. It starts with the test's argument in rdi and the
// shared data page at 0x601000.
#ifdef __i386__
#define rax eax
#define rdi edi
#define CALL_KERNEL int $0x80
#else
#define CALL_KERNEL syscall
#endif

    .section .rodata

    .macro user_code name
    .balign 16
    .globl \name\()_first
    .globl \name\()_last
\name\()_first:
    .endm
    .macro end_of name
\name\()_last:
    .endm

    user_code user_syscall              // call(1, argument), then call(2, answer + 1), then ud2
    mov $1, %eax
    CALL_KERNEL
    lea 1(%rax), %rdi
    mov $2, %eax
    CALL_KERNEL
    ud2
    end_of user_syscall

    user_code user_sysenter             // sysenter with rax = 11
    mov $11, %eax
    sysenter
    ud2
    end_of user_sysenter

    user_code user_sysenter_stepped     // the same with the trap, nested-task and alignment flags set
    push $0x44302
    mov $12, %eax
    popf
    sysenter
    ud2
    end_of user_sysenter_stepped

    user_code user_interrupt            // int 0x80 with rax = 7
    mov $7, %eax
    int $0x80
    ud2
    end_of user_interrupt

    user_code user_int_other            // an interrupt vector that user mode may not raise
    int $0x90
    ud2
    end_of user_int_other

    user_code user_int_exception        // an exception's vector, raised by software
    int $0x0e
    ud2
    end_of user_int_exception

    user_code user_touch                // reads the address in rdi, then call(3, what it read)
    mov (%rdi), %rdi
    mov $3, %eax
    CALL_KERNEL
    ud2
    end_of user_touch

    user_code user_write                // writes 0x77 to the address in rdi, then call(4, 0)
    movl $0x77, (%rdi)
    mov $4, %eax
    xor %edi, %edi
    CALL_KERNEL
    ud2
    end_of user_write

    user_code user_privileged           // cli is not for user mode, whatever the kernel may do
    cli
    ud2
    end_of user_privileged

    user_code user_spin                 // runs for rdi iterations, then call(5, 0)
1:  dec %rdi
    jnz 1b
    mov $5, %eax
    CALL_KERNEL
    ud2
    end_of user_spin

    user_code user_breakpoint
    int3
    ud2
    end_of user_breakpoint

    user_code user_stepped              // with the trap flag: three instructions of a byte each, then call(rax, argument)
    push $0x302
    popf
    nop
    nop
    nop
    CALL_KERNEL
    ud2
    end_of user_stepped

    .section .note.GNU-stack, "", @progbits
