// What an operating system's operations cost, as lmbench asks it (McVoy and Staelin, 1996; the same rows as
// the tables of Barham et al., 2003). Usage: micro [OPERATION]... One line each: RESULT name=micro
// operation=... count=... ns=... where ns is for one operation. It warms up with a tenth of the count.
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { page = 4096, mapped = 1 << 20 };

static void check(int fine, const char* what) {
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static void null_call(long count) {
    for (long i = 0; i < count; ++i)
        syscall(SYS_getppid);
}

static void wait_for(pid_t child) {
    int status;
    check(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "child");
}

static void do_fork(long count) {
    for (long i = 0; i < count; ++i) {
        const pid_t child = fork();
        check(child >= 0, "fork");
        if (child == 0)
            _exit(0);
        wait_for(child);
    }
}

static void do_exec(long count) {
    for (long i = 0; i < count; ++i) {
        const pid_t child = fork();
        check(child >= 0, "fork");
        if (child == 0) {
            execl("/proc/self/exe", "micro", "nothing", (char*)NULL);
            _exit(1);
        }
        wait_for(child);
    }
}

// Through the shell, as lmbench's third process row.
static void do_shell(long count) {
    for (long i = 0; i < count; ++i)
        check(system("micro nothing") == 0, "sh");
}

static char* map_pages(size_t bytes) {
    char* const pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(pages != MAP_FAILED, "mmap");
    madvise(pages, bytes, MADV_NOHUGEPAGE);
    return pages;
}

static void do_mmap(long count) {
    for (long i = 0; i < count; ++i) {
        char* const pages = map_pages(mapped);
        for (size_t at = 0; at < mapped; at += page)
            pages[at] = 1;
        munmap(pages, mapped);
    }
}

static void page_fault(long count) {
    char* const pages = map_pages(mapped);
    for (long done = 0; done < count;) {
        check(madvise(pages, mapped, MADV_DONTNEED) == 0, "madvise");
        for (size_t at = 0; at < mapped && done < count; at += page, ++done)
            pages[at] = 1;
    }
    munmap(pages, mapped);
}

static char* guarded;

static void lift_guard(int number) {
    (void)number;
    mprotect(guarded, page, PROT_READ | PROT_WRITE);
}

static void protection_fault(long count) {
    signal(SIGSEGV, lift_guard);
    guarded = map_pages(page);
    for (long i = 0; i < count; ++i) {
        check(mprotect(guarded, page, PROT_READ) == 0, "mprotect");
        *(volatile char*)guarded = 1;
    }
    munmap(guarded, page);
    signal(SIGSEGV, SIG_DFL);
}

static void ignore(int number) { (void)number; }

static void do_signal(long count) {
    signal(SIGUSR1, ignore);
    for (long i = 0; i < count; ++i)
        raise(SIGUSR1);
}

// Two processes hand a byte to and fro: two switches for each count, so half the count is handed.
static void context_switch(long count) {
    int there[2], back[2];
    char byte = 0;
    check(pipe(there) == 0 && pipe(back) == 0, "pipe");
    const pid_t child = fork();
    check(child >= 0, "fork");
    if (child == 0) {
        close(there[1]);
        while (read(there[0], &byte, 1) == 1)
            check(write(back[1], &byte, 1) == 1, "write");
        _exit(0);
    }
    for (long i = 0; i < count / 2; ++i)
        check(write(there[1], &byte, 1) == 1 && read(back[0], &byte, 1) == 1, "pipe");
    close(there[0]);
    close(there[1]);
    wait_for(child);
    close(back[0]);
    close(back[1]);
}

// Nothing but the processor: what the machine itself costs.
static void compute(long count) {
    for (long i = 0; i < count; ++i)
        for (int turn = 0; turn < 1000; ++turn)
            __asm__ volatile("" ::"r"(turn));
}

static const struct operation {
    const char* name;
    long count;
    void (*run)(long count);
} operations[] = {
    {"compute", 2000, compute},
    {"null_call", 20000, null_call},
    {"signal", 5000, do_signal},
    {"protection_fault", 2000, protection_fault},
    {"page_fault", 4096, page_fault},
    {"mmap", 20, do_mmap},
    {"context_switch", 2000, context_switch},
    {"fork", 100, do_fork},
    {"exec", 50, do_exec},
    {"sh", 20, do_shell},
};

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void measure(const struct operation* operation) {
    operation->run(operation->count / 10);
    const long long start = now();
    operation->run(operation->count);
    const long long spent = now() - start;
    printf("RESULT name=micro operation=%s count=%ld ns=%lld\n", operation->name, operation->count,
           spent / operation->count);
    fflush(stdout);
}

static int measure_named(const char* name) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; ++i)
        if (strcmp(operations[i].name, name) == 0)
            return measure(&operations[i]), 1;
    fprintf(stderr, "micro: there is no operation '%s'\n", name);
    return 0;
}

int main(int count, char** words) {
    if (count == 2 && strcmp(words[1], "nothing") == 0)
        return 0;
    for (size_t i = 0; count == 1 && i < sizeof operations / sizeof *operations; ++i)
        measure(&operations[i]);
    for (int i = 1; i < count; ++i)
        if (!measure_named(words[i]))
            return 1;
    return 0;
}
