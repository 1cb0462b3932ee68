"""What is tried: the registry of checks, the verbs they are written in, and what they leave uncovered."""
