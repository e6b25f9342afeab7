"""The read model `access`: who there is, and who may come in."""
