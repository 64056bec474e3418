"""What the verbs mean: experiments and runs over a lake."""
