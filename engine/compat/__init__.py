"""What reaches into the insides of other libraries, each with the reason why, so that an upgrade is checked in one place."""
