"""Native kernels: C for a layer graph, built by the system's compiler, loaded through ctypes.

compiler   which compiler there is, and which flags it takes
cache      where built kernels lie, safe under races, kills and read-only homes
build      C source -> loaded shared object
"""
