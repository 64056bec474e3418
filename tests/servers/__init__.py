"""Real servers on this machine for tests and benchmarks: S3, SFTP, and a proxy that breaks."""
