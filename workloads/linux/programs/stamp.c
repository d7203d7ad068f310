// Says when the first process ran: RESULT name=boot, with the kernel's clock since it keeps time, and the
// processor's counter. Nothing else may run before it.
#define _GNU_SOURCE
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("RESULT name=boot uptime_ns=%lld tsc=%llu\n", now.tv_sec * 1000000000LL + now.tv_nsec, __rdtsc());
    return 0;
}
