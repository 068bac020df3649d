"""The error that every reader of clips raises."""


class VideoError(ValueError):
    """A clip that is missing, damaged, or shorter than its list says."""
