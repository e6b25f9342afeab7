"""Deliveries: device events on their way to integrations, each counted once, in order by device."""
