/* bcryptprimitives.dll with the one function that programs made with Rust ask of it; Wine 8 has no such file. */
unsigned char __stdcall SystemFunction036(void *room, unsigned long size); /* advapi32: RtlGenRandom */

int __stdcall start(void *module, unsigned long reason, void *reserved) {
    (void)module, (void)reason, (void)reserved;
    return 1;
}

__declspec(dllexport) int __stdcall ProcessPrng(void *room, unsigned long long size) {
    return SystemFunction036(room, (unsigned long)size);
}
