"""What a file or folder is, told from its content alone."""
