// What the compiler registers destructors of globals with. The hypervisor never ends by returning, so nothing
// is destroyed.
extern "C" {
void* __dso_handle = nullptr;
int __cxa_atexit(void (*)(void*), void*, void*) { return 0; }
}
