"""Everything that follows the log: read models, reactions, announcements, nudges and timers."""
