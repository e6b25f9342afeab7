"""HTTP for people and their programs: commands in, read models and the past out."""
