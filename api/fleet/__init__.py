"""Products, their devices, groups and firmware: as they are, as they were, and changed."""
