"""N00xx: encoding, characters and limits of the text."""
