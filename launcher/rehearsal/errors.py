"""What the workload has to tell its operator instead of a traceback."""


class WorkloadError(Exception):
    """A short text for the operator that ends the command with exit code 1; it never holds a password."""
