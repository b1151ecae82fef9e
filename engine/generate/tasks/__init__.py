"""What each kind of request does differently in a run."""
