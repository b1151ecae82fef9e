"""What makes a run faster: compilers, and steps that skip the network."""
