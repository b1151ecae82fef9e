"""The hardware of this machine, as the operating system and the drivers report it, and the choice of the device."""
