"""Engines: given parameters and a batch of patients, the sum of clipped per-patient gradients, or the plain mean."""
