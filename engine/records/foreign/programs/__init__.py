"""One module for each program's layout: what its reader takes, and which other fields it is known to write."""
