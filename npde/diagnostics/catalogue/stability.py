"""N07xx: stability of a scheme."""
