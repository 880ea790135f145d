"""The HTTP API under ``/api/v1``: parse, call one function, shape the answer."""
