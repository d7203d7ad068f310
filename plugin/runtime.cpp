// The four functions that a compiler may call on its own account, linked hidden into every plug-in so that
// none has an undefined symbol, and into the hypervisor. They must never compile to calls of themselves,
// hence the string instructions and the barriers.
#include <cstddef>

extern "C" {

// void* is the compiler's own interface; policies copy typed objects and never call these by name.
void* memcpy(void* __restrict to, const void* __restrict from, std::size_t bytes) {
    void* start = to;
    std::size_t words = bytes / 8, rest = bytes % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
    return start;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
    auto* target = static_cast<unsigned char*>(to);
    const auto* source = static_cast<const unsigned char*>(from);
    if (target <= source || target >= source + bytes)
        return memcpy(to, from, bytes);
    while (bytes-- > 0) {
        target[bytes] = source[bytes];
        asm volatile("" ::: "memory");
    }
    return to;
}

void* memset(void* to, int value, std::size_t bytes) {
    void* start = to;
    std::size_t words = bytes / 8, rest = bytes % 8;
    const auto pattern = 0x0101010101010101U * static_cast<unsigned char>(value);
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
    return start;
}

int memcmp(const void* left, const void* right, std::size_t bytes) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (std::size_t i = 0; i < bytes; ++i) {
        asm volatile("" ::: "memory");
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    }
    return 0;
}
}
