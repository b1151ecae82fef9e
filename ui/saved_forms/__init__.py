"""Whole forms that are saved under a name, and exchanged as files."""
