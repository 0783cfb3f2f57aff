"""N08xx: learnables, their constraints and starts."""
