"""What is wrong with a query."""


class BadQuery(Exception):
    """A query that is none. `code` is a documented field code, `position` counts characters from 0."""

    def __init__(self, code: str, message: str, position: int, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.position, self.suggestion = code, message, position, suggestion
