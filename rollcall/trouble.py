"""What the command says instead of a traceback when the world is not as it must be."""


class Trouble(Exception):
    """Something outside our code is wrong; the message names it and what to do."""
