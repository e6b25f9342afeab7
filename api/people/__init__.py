"""Accounts, what proves them, teams, organizations, and who may do what."""
