"""What makes a run faster: compilers and kept features."""
