// Threads that depend on each other's processors: each sits on a processor of its own; in turn one puts
// another page where all have looked, and everyone must see the new one, which takes a flush on all of them;
// membarrier interrupts them all. Usage: threads [THREADS [ROUNDS]] (default: as many as processors, 20). One
// line: RESULT name=threads threads=... cpus=... rounds=... barriers=... stale=... where `stale` counts looks
// that found an old page. Fails if there was one.
#define _GNU_SOURCE
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { page = 4096, most_threads = 64 };

static int threads, rounds;
static pthread_barrier_t meeting;
static volatile int* shared;
static atomic_int stale, barriers, processors[most_threads];

static void check(int fine, const char* what) {
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static void take_place(int number) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)number, &set);
    check(sched_setaffinity(0, sizeof set, &set) == 0, "sched_setaffinity");
    check(sched_getcpu() == number, "sched_getcpu");
    processors[number] = 1;
}

// The old page goes, and what processors remember of it must go, too.
static void put_page(int value) {
    void* const place = (void*)shared;
    check(mmap(place, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == place,
          "mmap");
    *shared = value;
    check(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0, "membarrier");
    ++barriers;
}

static void* work(void* argument) {
    const int number = (int)(long)argument;
    take_place(number);
    for (int round = 1; round <= rounds; ++round) {
        pthread_barrier_wait(&meeting);
        if (round % threads == number)
            put_page(round);
        pthread_barrier_wait(&meeting);
        if (*shared != round)
            ++stale;
    }
    return NULL;
}

int main(int count, char** words) {
    threads = count > 1 ? atoi(words[1]) : (int)sysconf(_SC_NPROCESSORS_ONLN);
    rounds = count > 2 ? atoi(words[2]) : 20;
    if (threads < 1 || threads > most_threads) {
        fprintf(stderr, "threads: write 1 to %d threads, not %d\n", most_threads, threads);
        return 1;
    }
    check(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0, "membarrier");
    shared = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED, "mmap");
    pthread_barrier_init(&meeting, NULL, (unsigned)threads);
    pthread_t all[most_threads];
    for (long i = 0; i < threads; ++i)
        check(pthread_create(&all[i], NULL, work, (void*)i) == 0, "pthread_create");
    int places = 0;
    for (int i = 0; i < threads; ++i) {
        pthread_join(all[i], NULL);
        places += processors[i];
    }
    printf("RESULT name=threads threads=%d cpus=%d rounds=%d barriers=%d stale=%d\n", threads, places, rounds,
           barriers, stale);
    return stale != 0;
}
