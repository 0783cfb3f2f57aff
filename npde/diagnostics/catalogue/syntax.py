"""N01xx: statements that do not read."""
