"""Weights files: their headers, their pickles, their tensors."""
