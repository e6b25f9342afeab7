"""What NATS is told: facts for edges, every event for whoever integrates, nudges for devices."""
