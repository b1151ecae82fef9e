"""The run: from a request to pictures on disk, in numbered phases."""
