"""N05xx: boundary and initial conditions."""
