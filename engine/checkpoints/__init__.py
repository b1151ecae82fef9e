"""Finds, identifies, downloads, loads and caches checkpoints. The page uses only the modules that do not import torch."""
