// The four functions that a compiler may call on its own account, linked hidden into every plug-in so that
// none has an undefined symbol. They must never compile to calls of themselves, hence the string instructions
// and the barriers.
#include <cstddef>

extern "C" {

// void* is the compiler's own interface; policies copy typed objects and never call these by name.
void* memcpy(void* __restrict to, const void* __restrict from, std::size_t bytes) {
    void* start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
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
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
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
