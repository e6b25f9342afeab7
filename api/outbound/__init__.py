"""What goes out: integrations, and what was delivered to them."""
