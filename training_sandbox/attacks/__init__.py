"""Attacks on our own mechanism and models: as tests, and as a report that compliance sees and nobody else."""
