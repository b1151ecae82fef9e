"""Atomic files, JSON stores, versioned databases and blobs. Does not import torch."""
