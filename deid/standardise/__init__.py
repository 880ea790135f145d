"""Standardisation: units, codes and the OMOP tables."""
