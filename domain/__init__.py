"""The rules of a device fleet, and the log that remembers what happened."""
