// A client of memcached that fetches values at random and brings those that are not there, after a wait as
// for a database. Usage: cachebench SOCKET KEYS BYTES MISS_US MILLISECONDS. It sets every key once, and then
// fetches for so long. One line: RESULT name=cachebench fetches=... hits=... misses=... ns=...
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { most_bytes = 16384, header_bytes = 256 };

static int server;
static char buffer[most_bytes + header_bytes];
static char value[most_bytes + 2];

static void check(int fine, const char* what) {
    if (!fine) {
        perror(what);
        exit(1);
    }
}

static int64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void connect_to(const char* path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    snprintf(name.sun_path, sizeof name.sun_path, "%s", path);
    server = socket(AF_UNIX, SOCK_STREAM, 0);
    check(server >= 0, "socket");
    for (int tries = 0; connect(server, (struct sockaddr*)&name, sizeof name) != 0; ++tries) {
        check(tries < 1000, "connect");
        usleep(1000);
    }
}

static void send_all(const char* bytes, size_t count) {
    while (count > 0) {
        const ssize_t sent = write(server, bytes, count);
        check(sent > 0, "write");
        bytes += sent;
        count -= (size_t)sent;
    }
}

// Until the answer ends with `end`; how long it is.
static size_t receive(const char* end) {
    size_t got = 0;
    const size_t length = strlen(end);
    do {
        const ssize_t more = read(server, buffer + got, sizeof buffer - got);
        check(more > 0, "read");
        got += (size_t)more;
    } while (got < length || memcmp(buffer + got - length, end, length) != 0);
    return got;
}

static void put(uint64_t key, size_t bytes) {
    const int header = snprintf(buffer, header_bytes, "set k%lu 0 0 %zu\r\n", key, bytes);
    send_all(buffer, (size_t)header);
    send_all(value, bytes + 2);
    receive("\r\n"); // stored, or no memory for it
}

static int fetch(uint64_t key) {
    const int header = snprintf(buffer, header_bytes, "get k%lu\r\n", key);
    send_all(buffer, (size_t)header);
    return receive("END\r\n") > strlen("END\r\n");
}

static uint64_t draw(void) { // xorshift: G. Marsaglia, "Xorshift RNGs", 2003
    static uint64_t state = 88172645463325252;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

int main(int count, char** words) {
    if (count != 6) {
        fprintf(stderr, "usage: cachebench SOCKET KEYS BYTES MISS_US MILLISECONDS\n");
        return 2;
    }
    const uint64_t keys = strtoull(words[2], NULL, 10);
    const size_t bytes = strtoull(words[3], NULL, 10);
    const useconds_t wait = (useconds_t)strtoul(words[4], NULL, 10);
    const int64_t lasts = strtoll(words[5], NULL, 10) * 1000000;
    if (keys == 0 || bytes == 0 || bytes > most_bytes) {
        fprintf(stderr, "cachebench: KEYS above 0, BYTES from 1 to %d\n", most_bytes);
        return 2;
    }
    memset(value, 'x', bytes);
    value[bytes] = '\r';
    value[bytes + 1] = '\n';
    connect_to(words[1]);
    for (uint64_t key = 0; key < keys; ++key)
        put(key, bytes);
    uint64_t fetches = 0, misses = 0;
    const int64_t began = now_ns();
    while (now_ns() - began < lasts) {
        const uint64_t key = draw() % keys;
        ++fetches;
        if (fetch(key))
            continue;
        ++misses;
        usleep(wait);
        put(key, bytes);
    }
    printf("RESULT name=cachebench fetches=%lu hits=%lu misses=%lu ns=%ld\n", fetches, fetches - misses,
           misses, now_ns() - began);
    return 0;
}
