# From the multiboot loader to C++: 32-bit protected mode, early page tables, long mode, the image's own addresses.
# At entry (multiboot 1): eax = loader magic, ebx = physical address of the multiboot information, paging off.
    .set image_base, 0xffff828000000000
    .set flags, 0x00010003              # page-align modules, memory map, addresses below are valid

    .section .multiboot, "ax"
    .align 8
    .code32
multiboot_header:
    .long 0x1badb002
    .long flags
    .long -(0x1badb002 + flags)
    .long multiboot_header - image_base
    .long multiboot_header - image_base # load address: the header is the image's first byte
    .long load_end - image_base
    .long image_end - image_base
    .long multiboot_entry - image_base

    .section .boot, "ax"
    .globl multiboot_entry
multiboot_entry:
    cli
    cld
    mov %eax, %esi                      # kept for start()
    mov $boot_stack_top - image_base, %esp

    # L4: slot 0 (identity, until start() drops it), 261 (image), 262 (direct map) all through boot_l3.
    mov $boot_l4 - image_base, %edi
    movl $boot_l3 - image_base + 0x3, (%edi)
    movl $boot_l3 - image_base + 0x3, 261*8(%edi)
    movl $boot_l3 - image_base + 0x3, 262*8(%edi)
    # L3: four L2s of 1 GiB; L2s: 2 MiB pages of the first 4 GiB.
    mov $boot_l3 - image_base, %edi
    mov $boot_l2 - image_base + 0x3, %eax
    mov $4, %ecx
1:  mov %eax, (%edi)
    add $4096, %eax
    add $8, %edi
    loop 1b
    mov $boot_l2 - image_base, %edi
    mov $0x83, %eax
    mov $2048, %ecx
2:  mov %eax, (%edi)
    add $0x200000, %eax
    add $8, %edi
    loop 2b

    mov $boot_l4 - image_base, %eax
    mov %eax, %cr3
    mov %cr4, %eax
    or $0x20, %eax                      # PAE
    mov %eax, %cr4
    mov $0xc0000080, %ecx               # EFER: long mode, no-execute, SYSCALL
    rdmsr
    or $0x901, %eax
    wrmsr
    mov %cr0, %eax
    or $0x80010001, %eax                # paging, write protection in ring 0, protection
    mov %eax, %cr0
    lgdt boot_gdt_pointer - image_base
    ljmp $0x8, $long_mode - image_base

    .code64
long_mode:
    movabs $high, %rax
    jmp *%rax
high:
    xor %eax, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %fs
    mov %eax, %gs
    mov %eax, %ss
    lea boot_stack_top(%rip), %rsp
    mov %esi, %edi
    mov %ebx, %esi
    xor %ebp, %ebp
    call start
    ud2

    .align 8
boot_gdt:
    .quad 0
    .quad 0x00af9b000000ffff            # 64-bit code
boot_gdt_pointer:
    .word 15
    .long boot_gdt - image_base

    .section .bss
    .align 4096
    .globl boot_l4
boot_l4:
    .skip 4096
boot_l3:
    .skip 4096
boot_l2:
    .skip 4*4096
    .align 32768
    .globl boot_stack                   # the first pCPU's stack area, see hv/arch/pcpu.hpp
boot_stack:
    .skip 32768 - 64
    .globl boot_stack_top
boot_stack_top:
    .skip 64

    .section .note.GNU-stack, "", @progbits
