// Samples of the guest's clocks beside the processor's counter, which is the machine's own time under an
// exact clock. Usage: clocks SAMPLES MILLISECONDS. One line each: RESULT name=clocks tsc=... monotonic_ns=...
// realtime_ns=...
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <x86intrin.h>

static long long nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

int main(int count, char** words) {
    const int samples = count > 1 ? atoi(words[1]) : 5;
    const long pause = count > 2 ? atol(words[2]) : 100;
    const struct timespec wait = {pause / 1000, pause % 1000 * 1000000};
    nanoseconds(CLOCK_REALTIME); // so that the first sample finds everything in place
    for (int i = 0; i < samples; ++i) {
        if (i > 0)
            nanosleep(&wait, NULL);
        const unsigned long long counter = __rdtsc();
        const long long monotonic = nanoseconds(CLOCK_MONOTONIC), real = nanoseconds(CLOCK_REALTIME);
        printf("RESULT name=clocks tsc=%llu monotonic_ns=%lld realtime_ns=%lld\n", counter, monotonic, real);
    }
    return 0;
}
