"""What is asked of a device while it is connected, and what is said on its behalf."""
