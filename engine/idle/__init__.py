"""What the worker does while there is no job: it tests the device, and gives memory back."""
