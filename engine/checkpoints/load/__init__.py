"""From an entry of the library to components in memory."""
