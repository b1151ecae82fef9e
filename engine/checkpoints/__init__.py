"""Finds, identifies, downloads, loads and caches checkpoints. The page uses all but what imports torch."""
