# Copies with one of the two addresses in the guest. A fault in a copy is looked up in the fixup table and makes it answer
# false. The caller has checked that the guest's address is not the hypervisor's. While copies_are_plain is set, SMAP is
# opened here, for the copy alone; otherwise the work is copy_carefully's.

# Eight bytes are moved at once. `close` is clac, or nothing.
    .macro copy_and close
    mov $1, %eax
    cmp $8, %rdx
    je 3f
    mov %rdx, %rcx
    shr $3, %rcx
0:  rep movsq
    mov %edx, %ecx
    and $7, %ecx
1:  rep movsb
    \close
    ret
2:  \close
    xor %eax, %eax
    ret
3:  mov (%rsi), %rdx
4:  mov %rdx, (%rdi)
    \close
    ret
    .pushsection .fixups, "a"
    .quad 0b, 2b
    .quad 1b, 2b
    .quad 3b, 2b
    .quad 4b, 2b
    .popsection
    .endm

# bool user_copy(void* to, const void* from, size_t bytes), and user_copy_smap, which does not ask
    .text
    .globl user_copy
user_copy:
    cmpb $0, copies_are_plain(%rip)
    je copy_carefully
    .globl user_copy_smap
user_copy_smap:
    stac
    copy_and clac

# bool user_copy_without_smap(void* to, const void* from, size_t bytes): for a processor that has none.
    .globl user_copy_without_smap
user_copy_without_smap:
    copy_and

# bool load_selector_XX(uint16_t selector): false if the descriptor cannot be loaded; the register is then null.
    .macro selector_loader register
    .globl load_selector_\register
load_selector_\register:
    mov $1, %eax
6:  mov %edi, %\register
    ret
7:  xor %eax, %eax
    mov %eax, %\register
    ret
    .pushsection .fixups, "a"
    .quad 6b, 7b
    .popsection
    .endm
    selector_loader ds
    selector_loader es
    selector_loader fs
    selector_loader gs

# bool read_msr_safely(uint32_t msr, uint64_t* value)
    .globl read_msr_safely
read_msr_safely:
    mov %edi, %ecx
    mov %rsi, %rdi
8:  rdmsr
    mov %eax, (%rdi)
    mov %edx, 4(%rdi)
    mov $1, %eax
    ret
9:  xor %eax, %eax
    ret
    .pushsection .fixups, "a"
    .quad 8b, 9b
    .popsection

    .section .note.GNU-stack, "", @progbits
