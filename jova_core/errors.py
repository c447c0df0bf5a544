"""The one error for users."""


class JoVAError(ValueError):
    """Wrong input: one sentence with the input, the expectation and the remedy."""
