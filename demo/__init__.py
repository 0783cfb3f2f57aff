"""The tour of `make demo`: one simulation, one classifier, one inverse problem, in about a minute, offline.

    gray_scott   a pattern that grows by itself
    digits       real handwritten digits, read by a network that is a diffusion equation
    fisher       two coefficients of an equation, found again from noisy pictures
    artifacts    the emitted modules and the architecture pages

Each part does its work and gives back what there is to say; `__main__` says it.
"""
