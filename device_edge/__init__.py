"""The doors devices knock on."""
