"""What all of Easel's processes share: the environment variables passed to them, and a clean shutdown. Standard library only."""
