// What an application may do to the processor, and what its kernel must make of it: exceptions as signals,
// single steps and watchpoints, descriptors of its own, 32-bit code and both gates of the old system call.
// One line each: RESULT name=traps check=... result=ok|failed; exit status 1 if any failed.
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile sig_atomic_t steps;
static siginfo_t last;
static int failures;

static void leave(int signal, siginfo_t* info, void* context) {
    (void)signal;
    (void)context;
    last = *info;
    siglongjmp(back, 1);
}

static void step(int signal) {
    (void)signal;
    ++steps;
}

static void handle(int signal) {
    const struct sigaction action = {.sa_sigaction = leave, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(signal, &action, NULL);
}

static void verdict(const char* check, int good) {
    printf("RESULT name=traps check=%s result=%s\n", check, good ? "ok" : "failed");
    failures += !good;
}

#define RAISES(check, number, wanted_code, ...)                                                              \
    do {                                                                                                     \
        memset(&last, 0, sizeof last);                                                                       \
        if (sigsetjmp(back, 1) == 0) {                                                                       \
            __VA_ARGS__;                                                                                     \
        }                                                                                                    \
        verdict(check, last.si_signo == (number) && last.si_code == (wanted_code));                          \
    } while (0)

static void touch(uintptr_t address) { __asm__ volatile("movl %%eax, (%0)" ::"r"(address) : "memory"); }

static void exceptions(void) {
    const int signals[] = {SIGTRAP, SIGILL, SIGFPE, SIGSEGV, SIGBUS};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        handle(signals[i]);
    RAISES("divide", SIGFPE, FPE_INTDIV,
           __asm__ volatile("xor %%eax, %%eax; cltd; div %%eax" :: : "rax", "rdx"));
    RAISES("breakpoint", SIGTRAP, SI_KERNEL, __asm__ volatile("int3"));
    RAISES("undefined", SIGILL, ILL_ILLOPN, __asm__ volatile("ud2"));
    RAISES("privileged", SIGSEGV, SI_KERNEL, __asm__ volatile("hlt"));
    RAISES("port", SIGSEGV, SI_KERNEL, __asm__ volatile("inb $0x80, %%al" :: : "rax"));
    RAISES("interrupt_gate", SIGSEGV, SI_KERNEL, __asm__ volatile("int $0x21"));
    RAISES("not_canonical", SIGSEGV, SI_KERNEL, __asm__ volatile("mov (%0), %%rax" ::"r"(1UL << 62) : "rax"));
    RAISES("not_mapped", SIGSEGV, SEGV_MAPERR, touch(0x10));
    RAISES("kernel_memory", SIGSEGV, SEGV_MAPERR, touch(0xffffffff81000000));
    RAISES("hypervisor_memory", SIGSEGV, SEGV_MAPERR, touch(0xffff800000000000));
    void* data = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(data, 0xc3, 1);
    RAISES("no_execute", SIGSEGV, SEGV_ACCERR, ((void (*)(void))(uintptr_t)data)());
    RAISES("x87", SIGFPE, FPE_FLTDIV, {
        const unsigned short control = 0x37b;
        __asm__ volatile("fninit; fldcw %0; fldz; fld1; fdivp; fwait" ::"m"(control));
    });
    __asm__ volatile("fninit");
    for (size_t i = 0; i < sizeof signals / sizeof *signals; ++i)
        signal(signals[i], SIG_DFL);
}

static void single_step(void) {
    signal(SIGTRAP, step);
    steps = 0;
    __asm__ volatile(
        "pushfq; orq $0x100, (%%rsp); popfq; nop; nop; nop; pushfq; andq $~0x100, (%%rsp); popfq" ::
            : "memory", "cc");
    verdict("single_step", steps == 6);
    signal(SIGTRAP, SIG_DFL);
}

static volatile long watched;

static void watchpoint(void) {
    const pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        for (int i = 0; i < 100; ++i)
            sched_yield();
        watched = 7;
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    const long set = ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), &watched) |
                     ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 0xd0001L);
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    const long hit = ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, u_debugreg[6]), 0);
    verdict("watchpoint", set == 0 && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP && (hit & 1));
    ptrace(PTRACE_KILL, child, 0, 0);
    waitpid(child, &status, 0);
}

static uint32_t through_gs(void) {
    uint32_t value;
    __asm__ volatile("movl %%gs:0, %0" : "=r"(value));
    return value;
}

static void descriptors(void) {
    uint32_t* cell = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    *cell = 0x1234567;
    struct user_desc entry = {.entry_number = 3,
                              .base_addr = (unsigned)(uintptr_t)cell,
                              .limit = 0xfff,
                              .seg_32bit = 1,
                              .useable = 1};
    const long written = syscall(SYS_modify_ldt, 1, &entry, sizeof entry);
    __asm__ volatile("mov %0, %%gs" ::"r"(3 << 3 | 7));
    int right = through_gs() == *cell;
    for (int i = 0; i < 20; ++i) {
        usleep(1000);
        right &= through_gs() == *cell;
    }
    __asm__ volatile("mov %0, %%gs" ::"r"(0));
    verdict("ldt", written == 0 && right);
}

static void old_system_calls(void) {
    long answer = 20; // getpid of 32-bit programs
    __asm__ volatile("int $0x80" : "+a"(answer)::"memory", "r8", "r9", "r10", "r11");
    verdict("int80", answer == getpid());
}

// 32-bit code in low memory: getpid by the given instruction, then a far jump back to the 64-bit address in
// ebx.
static long in_32_bit_code(const unsigned char* call, size_t bytes) {
    unsigned char* page =
        mmap(NULL, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    unsigned char* at = page;
    const unsigned char load[] = {0xb8, 20, 0, 0, 0}; // mov $20, %eax
    const unsigned char jump[] = {0xff, 0x2d};        // ljmp *disp32
    memcpy(at, load, sizeof load), at += sizeof load;
    memcpy(at, call, bytes), at += bytes;
    memcpy(at, jump, sizeof jump), at += sizeof jump;
    const uint32_t where = (uint32_t)(uintptr_t)(page + 256);
    memcpy(at, &where, 4);
    unsigned char* trampoline = page + 512; // back in 64-bit code: to the address in r12
    const unsigned char go_on[] = {0x41, 0xff, 0xe4};
    memcpy(trampoline, go_on, sizeof go_on);
    const struct __attribute__((packed)) {
        uint32_t offset;
        uint16_t selector;
    } out = {(uint32_t)(uintptr_t)trampoline, 0x33}, in = {(uint32_t)(uintptr_t)page, 0x23};
    memcpy(page + 256, &out, sizeof out);
    memcpy(page + 264, &in, sizeof in);
    long answer;
    __asm__ volatile("mov %%rsp, %%r13\n\t"
                     "mov %%rbp, %%r14\n\t"
                     "lea 1f(%%rip), %%r12\n\t"
                     "lea 8192(%1), %%rsp\n\t"
                     "mov $0x2b, %%ecx\n\t"
                     "mov %%ecx, %%ds\n\t"
                     "ljmp *264(%1)\n"
                     "1:\n\t"
                     "mov %%r13, %%rsp\n\t"
                     "mov %%r14, %%rbp\n\t"
                     "xor %%ecx, %%ecx\n\t"
                     "mov %%ecx, %%ds"
                     : "=&a"(answer)
                     : "b"(page)
                     : "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory", "cc");
    munmap(page, 8192);
    return answer;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    exceptions();
    single_step();
    watchpoint();
    descriptors();
    old_system_calls();
    const unsigned char gate[] = {0xcd, 0x80};
    verdict("int80_32", in_32_bit_code(gate, sizeof gate) == getpid());
    return failures != 0;
}
