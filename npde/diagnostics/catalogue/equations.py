"""N04xx: equations and what marches."""
