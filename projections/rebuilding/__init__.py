"""The read models made again from the log, beside the live ones, and swapped in."""
