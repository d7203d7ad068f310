# Copies with one of the two addresses in the guest. A fault in a copy is looked up in the fixup table and makes it answer
# false. The caller has checked that the guest's address is not the hypervisor's. While copies_are_plain is set, SMAP is
# opened here, for the copy alone; otherwise the work is copy_carefully's.

# `close` is clac, or nothing.
    .macro copy_and close
    mov $1, %eax
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
    .pushsection .fixups, "a"
    .quad 0b, 2b
    .quad 1b, 2b
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

# bool user_copy_words(void* to, const void* from, size_t words): user_copy of whole words of 8 bytes
    .globl user_copy_words
user_copy_words:
    cmpb $0, copies_are_plain(%rip)
    je words_carefully
    mov %rdx, %rcx
    stac
0:  rep movsq
    clac
    mov $1, %eax
    ret
words_carefully:
    shl $3, %rdx
    jmp copy_carefully

# bool user_copy_N(void* to, const void* from): user_copy of N bytes, which are moved at once
    .macro single_copy bytes, register
    .globl user_copy_\bytes
user_copy_\bytes:
    cmpb $0, copies_are_plain(%rip)
    je 2f
    stac
0:  mov (%rsi), %\register
1:  mov %\register, (%rdi)
    clac
    mov $1, %eax
    ret
2:  mov $\bytes, %edx
    jmp copy_carefully
    .pushsection .fixups, "a"
    .quad 0b, copy_failed
    .quad 1b, copy_failed
    .popsection
    .endm
    .pushsection .fixups, "a"
    .quad 0b, copy_failed
    .popsection
    single_copy 4, edx
    single_copy 8, rdx
copy_failed:
    clac
    xor %eax, %eax
    ret

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
