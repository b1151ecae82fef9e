"""Files that are whole or not there, and the pictures that requests start from. Free of torch."""
