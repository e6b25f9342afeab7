"""Laws: what holds for every history, not just for those that somebody thought of."""
