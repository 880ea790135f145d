"""The de-identification and standardisation pipeline."""
