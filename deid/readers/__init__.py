"""Readers: the files of one mapping source in, string tables out, nothing lost."""
