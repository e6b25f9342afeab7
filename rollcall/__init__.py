"""The command `rollcall`: it runs the cloud and looks after it."""
