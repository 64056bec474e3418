"""What neptune-exporter has written."""
