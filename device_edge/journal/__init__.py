"""From the journal into the log: what edges and timers report, and who connected, as events."""
