"""What was used: told to the log batch by batch, and read from it."""
