"""The page on a port: what is served, and to whom."""
