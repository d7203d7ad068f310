# From a start-up interrupt to C++ on every processor but the first: real mode, protected mode, long mode on the boot page
# tables, the image's own addresses. The part up to secondary_end is copied to secondary_physical, where it must run.
    .set image_base, 0xffff828000000000
    .set secondary_physical, 0x10000    # below 1 MiB, on a page of its own; hv/entry/processors.cpp copies it there

    .section .rodata
    .align 16
    .globl secondary_start
secondary_start:
    .code16
    cli
    cld
    mov %cs, %ax
    mov %ax, %ds
    lgdtl secondary_gdt_pointer - secondary_start
    mov $1, %eax
    mov %eax, %cr0
    ljmpl $0x8, $secondary_physical + secondary_protected - secondary_start

    .code32
secondary_protected:
    mov $0x10, %eax
    mov %eax, %ds
    mov %eax, %ss
    mov $0x20, %eax                     # PAE
    mov %eax, %cr4
    mov $boot_l4 - image_base, %eax
    mov %eax, %cr3
    mov $0xc0000080, %ecx               # EFER: long mode, no-execute, SYSCALL
    rdmsr
    or $0x901, %eax
    wrmsr
    mov $0x80010011, %eax               # paging, write protection in ring 0, protection; caches on
    mov %eax, %cr0
    ljmp $0x18, $secondary_physical + secondary_long - secondary_start

    .code64
secondary_long:
    movabs $secondary_high, %rax
    jmp *%rax

    .align 8
secondary_gdt:
    .quad 0
    .quad 0x00cf9b000000ffff            # 32-bit code
    .quad 0x00cf93000000ffff            # data
    .quad 0x00af9b000000ffff            # 64-bit code
secondary_gdt_pointer:
    .word 31
    .long secondary_physical + secondary_gdt - secondary_start
    .globl secondary_end
secondary_end:

    .text
secondary_high:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    mov secondary_root(%rip), %rax
    mov %rax, %cr3                      # only the hypervisor's own tables know its stack
    mov secondary_stack(%rip), %rsp
    xor %ebp, %ebp
    call start_secondary
    ud2

    .bss
    .align 8
    .globl secondary_stack, secondary_root  # of the processor that is being started
secondary_stack:
    .skip 8
secondary_root:
    .skip 8

    .section .note.GNU-stack, "", @progbits
