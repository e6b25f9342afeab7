"""What devices said: streams of it as it is said, and the log of it."""
