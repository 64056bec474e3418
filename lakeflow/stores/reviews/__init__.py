"""What people review: questions, queues of traces, and issues."""
