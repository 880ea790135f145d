"""The jail: one process, one job, no network, nothing to read but its own input. Proved by trying to break out."""
