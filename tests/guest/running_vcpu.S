// What a second vCPU does in running_vcpu.cpp: spins, and counts the events and non-maskable interrupts that it is given.

#ifdef __i386__

    .text
    .macro count_and_return counter
    incl \counter
    mov $23, %eax               // iret: the frame's eax is on the stack
    int $0x82
    .endm

    .globl running_vcpu_event
running_vcpu_event:
    push %eax
    mov running_vcpu_info, %eax
    movb $0, (%eax)             // evtchn_upcall_pending
    movl $0, 4(%eax)            // evtchn_pending_sel
    count_and_return running_vcpu_events
    .globl running_vcpu_nmi
running_vcpu_nmi:
    push %eax
    count_and_return running_vcpu_nmis

#else

#define IRET_STUB (hypercall_page + 23 * 32)

    .text
    .macro count_and_return counter
    incq \counter(%rip)
    pop %rcx
    pop %r11
    push $0                     // flags of the iret hypercall
    jmp IRET_STUB
    .endm

    .globl running_vcpu_event
running_vcpu_event:
    mov running_vcpu_info(%rip), %rcx
    movb $0, (%rcx)             // evtchn_upcall_pending
    movq $0, 8(%rcx)            // evtchn_pending_sel
    count_and_return running_vcpu_events
    .globl running_vcpu_nmi
running_vcpu_nmi:
    count_and_return running_vcpu_nmis

#endif

    .section .note.GNU-stack, "", @progbits
