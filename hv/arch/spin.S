# Uses up a pCPU's turn under an emulator that counts instructions. The emulator takes a block of instructions that
# do nothing in one step, so that a round of the loop costs it no more than a single instruction.
    .text

# void spin(const std::atomic<uint32_t>* while_not_zero): with interrupts on, until an interrupt, or until the number is
# zero. An interrupt goes on at spin_end (hv/entry/interrupts.cpp), so that it ends the loop at once.
    .globl spin, spin_start, spin_end
    .align 512
spin:
    sti
spin_start:
    .fill 254, 1, 0x90
    cmpl $0, (%rdi)
    jnz spin_start
spin_end:
    cli
    ret

# void spin_once(): a moment, with interrupts as they are.
    .globl spin_once
    .align 64
spin_once:
    .fill 30, 1, 0x90
    ret

    .section .note.GNU-stack, "", @progbits
