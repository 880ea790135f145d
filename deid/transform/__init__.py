"""Transforms: pseudonyms, date shifts and generalisation."""
