"""Native kernels: C for a layer graph, built by the system's compiler, loaded through ctypes.

compiler   which compiler there is, and which flags it takes
cache      where built kernels lie, safe under races, kills and read-only homes
build      C source -> loaded shared object

samples    what kernels loop over: the cells of a grid, or samples side by side; `packing` puts them so
values     what a step computes, one channel at a time; `lowering` makes them of a graph, `normal` writes polynomials with fewer
           operations, `reverse` makes gradients;
           `lowering_leapfrog` merges kicks
program    loops over buffers; `placement` and `schedule` make them of values
c_*        programs -> C source
kernels    a graph's programs and C files; all of the above without torch
choose     which backend marches; `runtime`, `operators` and `live` are its torch side, `segments` says what a gradient keeps,
           `arena` keeps memory between marches
"""
