"""Integrations: where device events go outside, how each request is made, what comes back."""
