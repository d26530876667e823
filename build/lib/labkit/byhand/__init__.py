"""You are Mallory: an attack in which a person decides about each line, and the console for it."""
