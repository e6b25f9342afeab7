"""Device events: what devices publish, checked, stored by the day, and acknowledged."""
