"""Evaluation datasets with their records, and scorers with their versions."""
