"""What the machine is busy with, sampled beside a run."""
