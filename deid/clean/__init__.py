"""Cleaning: encodings, dates, numbers, duplicates and implausible values."""
