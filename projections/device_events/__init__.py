"""Device events beyond the intake: read in order, made from the log, passed on to devices."""
