"""What can go wrong, as one sentence for the person at the terminal."""


class StackError(Exception):
    """Its text is the whole message: no traceback is shown for it."""
