"""The same tree as the source."""
