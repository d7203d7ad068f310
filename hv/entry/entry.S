# Ways into and out of the hypervisor.
#
#  path               from            stack on arrival        registers saved        goes to
#  vector_N           guest, ring 3   vCPU's regs (TSS.rsp0)  all, in Vcpu::regs     guest_entry, resume_guest
#  vector_N           hypervisor      the pCPU's own          all, on that stack     hypervisor_trap
#  vector 1, 2, 8, 18 guest, ring 3   an IST stack            all, moved to Vcpu     guest_entry, resume_guest
#  vector 1, 2, 8, 18 hypervisor      an IST stack            all, on that stack     fatal or ignored (hypervisor_trap)
#  vector_N           a hook, strict  the stack for hooks     all, on that stack     strict_trap, hypervisor_trap
#  vector 0x80        guest, ring 3   as vector_N                                    system_call_entry, resume_guest
#  pae_vector_N       guest, ring 1   vCPU's regs (TSS.rsp0)  all, in Vcpu::regs     pae_guest_entry, resume_guest
#                     or ring 3
#  syscall_N          guest, ring 3   guest's; replaced by    all, in Vcpu::regs     syscall_entry, resume_guest
#                                     syscall_slots[N].regs
#  sysenter_N         guest, ring 3   none;                  all but rip and rsp,   guest_entry, resume_guest
#                                     syscall_slots[N].regs  in Vcpu::regs
#
# Gates to pae_vector_N are in force while the vCPU of a 32-bit guest is loaded. They do as vector_N does in all else.
#
# The guest's gs base is never touched: the pCPU is found from the stack pointer, the vCPU from where regs were saved.
    .set hypervisor_stack_offset, 176
    .set guest_ss, 0xe02b
    .set guest_cs32, 0xe023
    .set guest_cs64, 0xe033

    .macro push_registers
    push %r9
    push %r8
    push %r10
    push %rdx
    push %rsi
    push %rdi
    push %rcx
    push %rax
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    .endm

# From a vCPU's regs on the stack to the pCPU's own, whose first word is the pointer to the Pcpu.
    .macro enter function
    mov %rsp, %rdi
    mov hypervisor_stack_offset(%rsp), %rsp
    mov (%rsp), %rsi
    call \function
    .endm

    .macro vector_stub_table name, common, on_ist, system_call
    .align 16
    .globl \name
\name:
    .set vector, 0
    .rept 256
    .align 16
    # Vectors for which the processor pushes an error code: 8, 10 to 14, 17, 21, 29, 30.
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    .if vector == 1 || vector == 2 || vector == 8 || vector == 18
    jmp \on_ist
    .elseif vector == 0x80
    jmp \system_call
    .else
    jmp \common
    .endif
    .set vector, vector + 1
    .endr
    .endm

    .text
    vector_stub_table vector_stubs, vector_common, vector_on_ist, system_call_common
    vector_stub_table pae_vector_stubs, pae_vector_common, pae_vector_on_ist, pae_vector_common

# #DB has an IST stack because a guest's data breakpoint that MOV SS hits strikes at the first instruction of a system-call
# stub, where rsp is still the guest's.
    .align 16
vector_on_ist:
    push_registers
    cld
    testb $3, 144(%rsp)
    jz from_hypervisor
    mov %rsp, %rdi
    call move_to_vcpu
    mov %rax, %rsp
    jmp from_guest

    .align 16
vector_common:
    push_registers
    cld
    testb $3, 144(%rsp)
    jz from_hypervisor
from_guest:
    enter guest_entry
    jmp resume_guest

# INT 0x80.
    .align 16
system_call_common:
    push_registers
    cld
    testb $3, 144(%rsp)
    jz from_hypervisor
    enter system_call_entry
    jmp resume_guest

    .align 16
syscall_common:
    push %r11
    pushq $guest_cs64
    push %rcx
    pushq $0
    pushq $0x100
    push_registers
    enter syscall_entry
    # fall through: rax is the vCPU to resume

# The frame for iretq is built on the pCPU's stack, so that a fault of the iretq itself leaves Vcpu::regs intact.
    .globl resume_guest
resume_guest:
    pushq 168(%rax)
    pushq 160(%rax)
    pushq 152(%rax)
    pushq 144(%rax)
    pushq 136(%rax)
    mov 0(%rax), %r15
    mov 8(%rax), %r14
    mov 16(%rax), %r13
    mov 24(%rax), %r12
    mov 32(%rax), %rbp
    mov 40(%rax), %rbx
    mov 48(%rax), %r11
    mov 64(%rax), %rcx
    mov 72(%rax), %rdi
    mov 80(%rax), %rsi
    mov 88(%rax), %rdx
    mov 96(%rax), %r10
    mov 104(%rax), %r8
    mov 112(%rax), %r9
    mov 56(%rax), %rax
    .globl guest_iret
guest_iret:
    iretq

    .align 16
pae_vector_on_ist:
    push_registers
    cld
    testb $3, 144(%rsp)
    jz from_hypervisor
    mov %rsp, %rdi
    call move_to_vcpu
    mov %rax, %rsp
    jmp from_pae_guest

    .align 16
pae_vector_common:
    push_registers
    cld
    testb $3, 144(%rsp)
    jz from_hypervisor
from_pae_guest:
    enter pae_guest_entry
    jmp resume_guest

# The first vCPU of a pCPU: rdi is the Vcpu.
    .globl enter_first_guest
enter_first_guest:
    mov %rdi, %rax
    mov hypervisor_stack_offset(%rax), %rsp
    jmp resume_guest

from_hypervisor:
    mov %rsp, %rdi
    mov %rsp, %rbx
    and $-16, %rsp
    call *entry_from_hypervisor(%rip)  # hypervisor_trap; strict_trap under the strict guard
    test %rax, %rax
    jnz abandon                        # the guest's iret frame was bad: resume the vCPU in rax instead
    mov %rbx, %rsp
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %rax
    pop %rcx
    pop %rdi
    pop %rsi
    pop %rdx
    pop %r10
    pop %r8
    pop %r9
    add $16, %rsp
    iretq
abandon:
    mov hypervisor_stack_offset(%rax), %rsp
    jmp resume_guest

# One stub per pCPU, because SYSCALL changes no stack and leaves no register free. LSTAR and CSTAR point here.
    .macro syscall_stub_table name, common
    .align 32
    .globl \name
\name:
    .set pcpu, 0
    .rept 64
    .align 32
    mov %rsp, syscall_slots + pcpu*64(%rip)
    mov syscall_slots + pcpu*64 + 8(%rip), %rsp
    pushq $guest_ss
    pushq syscall_slots + pcpu*64(%rip)
    jmp \common
    .set pcpu, pcpu + 1
    .endr
    .endm

    syscall_stub_table syscall_stubs, syscall_common
    syscall_stub_table syscall_compat_stubs, syscall_compat_common

# SYSCALL from 32-bit code.
syscall_compat_common:
    push %r11
    pushq $guest_cs32
    push %rcx
    pushq $0
    pushq $0x101
    push_registers
    jmp from_guest

# SYSENTER keeps no register of the guest but leaves its flags as they are: those that only a guest may have go.
    .align 32
    .globl sysenter_stubs
sysenter_stubs:
    .set pcpu, 0
    .rept 64
    .align 32
    mov syscall_slots + pcpu*64 + 8(%rip), %rsp
    jmp sysenter_common
    .set pcpu, pcpu + 1
    .endr

    .align 16
sysenter_common:
    pushq $guest_ss
    pushq $0
    pushfq
    pushq $2
    popfq
    pushq $3                           # no code segment, in ring 3
    pushq $0
    pushq $0
    pushq $0x102
    push_registers
    jmp from_guest

    .bss
    .align 64
    .globl syscall_slots               # per pCPU: saved rsp, end of the current vCPU's regs, padding to 64 bytes
syscall_slots:
    .skip 64*64

    .section .note.GNU-stack, "", @progbits
