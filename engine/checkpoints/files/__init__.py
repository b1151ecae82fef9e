"""Reads weights files: headers, pickles, tensors."""
