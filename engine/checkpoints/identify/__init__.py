"""Identifies a file or folder by its content."""
