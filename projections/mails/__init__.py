"""Mails: what happened, told to the person whom it concerns, by e-mail."""
