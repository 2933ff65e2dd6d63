"""What is true without a network: jobs, their transitions, the rules. Standard library and cuid2 only."""
