"""What this machine is: the operating system's answers, the drivers' answers, and the device that follows from them."""
