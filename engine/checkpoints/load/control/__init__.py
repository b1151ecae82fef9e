"""Control networks in memory: one module each for what their methods need."""
