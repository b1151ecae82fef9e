"""What makes a run faster: compilers and feature caching."""
