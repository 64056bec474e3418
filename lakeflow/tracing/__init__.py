"""Traces: OpenTelemetry's spans as rows of a lake."""
