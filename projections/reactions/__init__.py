"""What follows from what happened, and from time that passes: commands of the cloud's own."""
