"""Spans that other processes send by OpenTelemetry's protocol, over HTTP."""
