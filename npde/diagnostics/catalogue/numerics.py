"""N06xx: grid, order, march, solve."""
