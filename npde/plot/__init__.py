"""Pictures of a run, from the file that `npde run` writes.

    0 space axes   each field over time
    1              a space–time map of each field, and its profile at a few times
    2              each field at the end (in an animation: at every frame)
    3              the middle slice of each field

A complex field is two pictures, |ψ| and its phase. Sequential colors for one sign, diverging ones centered on zero for two, cyclic
ones for a phase; all of them are ordered in lightness and readable without color vision. The first sample is shown.
"""

from npde.plot.save import ANIMATED, SUFFIXES, check_suffix, save

__all__ = ["ANIMATED", "SUFFIXES", "check_suffix", "save"]
