# bool user_copy(void* to, const void* from, size_t bytes): copies with one of the two in the guest. A fault in the copy is
# looked up in the fixup table and makes it answer false. The caller has checked the addresses and opened SMAP.
    .text
    .globl user_copy
user_copy:
    mov %rdx, %rcx
    shr $3, %rcx
    mov $1, %eax
0:  rep movsq
    mov %edx, %ecx
    and $7, %ecx
1:  rep movsb
    ret
2:  xor %eax, %eax
    ret
    .pushsection .fixups, "a"
    .quad 0b, 2b
    .quad 1b, 2b
    .popsection

# bool user_copy_word(void* to, const void* from): eight bytes at once, both pointers 8-byte aligned.
    .globl user_copy_word
user_copy_word:
    mov $1, %eax
3:  mov (%rsi), %rdx
4:  mov %rdx, (%rdi)
    ret
5:  xor %eax, %eax
    ret
    .pushsection .fixups, "a"
    .quad 3b, 5b
    .quad 4b, 5b
    .popsection

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
