// What the compiler calls on its own account beyond plugin/runtime.cpp: the registration of destructors of
// globals (the hypervisor never ends by returning, so nothing is destroyed), and the length of texts.
#include <cstddef>

extern "C" {
void* __dso_handle = nullptr;
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }

std::size_t strlen(const char* text) {
    std::size_t length = 0;
    while (text[length] != 0) {
        ++length;
        asm volatile("" ::: "memory"); // or the loop would become a call of itself
    }
    return length;
}
}
