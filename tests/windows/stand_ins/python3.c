/* python3.dll: forwards each function of the stable interface to python3XX.dll; wheels of kind abi3 load it.
 * Which functions those are, its .def file says. */
int __stdcall start(void *module, unsigned long reason, void *reserved) {
    (void)module, (void)reason, (void)reserved;
    return 1;
}
