"""Control networks: what they are made for, where their tensors are in a file, and the configuration that a file lacks."""
