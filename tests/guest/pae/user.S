# What an application in ring 3 tries. Each attempt starts with its own data segments in place; one that gets through ends
# with INT 32 and eax = 1. The page is read-only and open to ring 3, its stack is the page `user_stack`.
    .macro attempt name:req
    .globl \name
\name:
    mov $0xe033, %eax
    mov %eax, %ds
    mov %eax, %es
    .endm

    .macro through
    mov $1, %eax
    int $32
    .endm

    .section .user, "ax", @progbits
    attempt user_calls
    through

    attempt user_spins
    mov $40000000, %ecx             # tens of milliseconds: others run meanwhile
1:  dec %ecx
    jnz 1b
    through

    attempt user_reads_kernel
    mov secret, %eax
    through

    attempt user_writes_kernel
    movl $0, secret
    through

    attempt user_runs_kernel
    call kernel_function
    through

    attempt user_reads_hole
    mov 0xf5800000, %eax
    through

    attempt user_hypercall
    mov $17, %eax                   # xen_version, of which ring 1 may ask
    xor %ebx, %ebx
    xor %ecx, %ecx
    int $0x82
    through

    attempt user_jumps_to_hypervisor
    ljmp $0xe008, $1f
1:  through

    attempt user_jumps_to_64_bit
    ljmp $0xe033, $1f               # 64-bit code of ring 3 in the GDT of a 64-bit guest
1:  through

    attempt user_jumps_to_kernel
    ljmp $0xe019, $1f
1:  through

    attempt user_system_call
    syscall
    through

    attempt user_sysenter
    sysenter
    through

    attempt user_interrupts_off
    cli
    through

    attempt user_reads_control
    mov %cr3, %eax
    through

    attempt user_loads_kernel_data
    mov $0xe021, %eax
    mov %eax, %ds
    through

    .section .note.GNU-stack, "", @progbits
