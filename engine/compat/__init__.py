"""Code that depends on the internals of other libraries, each with the reason, so that an upgrade is checked in one place."""
