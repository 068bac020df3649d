"""ActLumos: dark video action recognition, an independent re-implementation."""

__version__ = "0.1.0"
