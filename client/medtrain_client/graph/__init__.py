"""The facility's graph format and its rules: the same files as on the server, byte for byte."""
