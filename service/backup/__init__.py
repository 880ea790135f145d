"""Backup and restore: a restored facility stays sealed until the witnessed log has been replayed into it."""
