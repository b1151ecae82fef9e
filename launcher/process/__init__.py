"""What every process of Easel has in common: the environment variables that reach it, and a quiet end. Standard library only."""
