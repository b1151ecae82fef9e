"""One module per program: its reader, and the other fields that the program is known to write."""
