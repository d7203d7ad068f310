// The memory and text functions that the compiler and the freestanding library call by name. Memory is copied
// and filled a register at a time: the machine's clock counts every step of a string instruction.
#include <cstddef>
#include <cstdint>

#ifdef __i386__
#define IN_WORDS(instruction) instruction "l"
#else
#define IN_WORDS(instruction) instruction "q"
#endif

extern "C" {

void* memcpy(void* to, const void* from, std::size_t bytes) {
    void* const result = to;
    auto words = bytes / sizeof(std::uintptr_t);
    bytes %= sizeof(std::uintptr_t);
    asm volatile(IN_WORDS("rep movs") : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
    return result;
}

void* memset(void* to, int value, std::size_t bytes) {
    void* const result = to;
    const auto pattern = static_cast<unsigned char>(value) * static_cast<std::uintptr_t>(0x0101010101010101);
    auto words = bytes / sizeof(std::uintptr_t);
    bytes %= sizeof(std::uintptr_t);
    asm volatile(IN_WORDS("rep stos") : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(pattern) : "memory");
    return result;
}

void* memmove(void* to, const void* from, std::size_t bytes) {
    if (to <= from || static_cast<char*>(to) >= static_cast<const char*>(from) + bytes)
        return memcpy(to, from, bytes);
    auto* const target = static_cast<volatile char*>(to);
    const auto* const source = static_cast<const volatile char*>(from);
    for (std::size_t i = bytes; i-- > 0;)
        target[i] = source[i];
    return to;
}

int memcmp(const void* a, const void* b, std::size_t bytes) {
    const auto* const x = static_cast<const volatile unsigned char*>(a);
    const auto* const y = static_cast<const volatile unsigned char*>(b);
    for (std::size_t i = 0; i < bytes; ++i)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

void* memchr(void* bytes, int value, std::size_t count) {
    auto* const first = static_cast<volatile unsigned char*>(bytes);
    for (std::size_t i = 0; i < count; ++i)
        if (first[i] == static_cast<unsigned char>(value))
            return static_cast<char*>(bytes) + i;
    return nullptr;
}

std::size_t strlen(const char* text) {
    const auto* const bytes = static_cast<const volatile char*>(text);
    std::size_t length = 0;
    while (bytes[length] != 0)
        ++length;
    return length;
}

[[noreturn]] void __cxa_pure_virtual() {
    for (;;)
        asm volatile("ud2");
}
}
