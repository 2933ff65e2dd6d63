"""The figures that the README claims, measured anew on this machine: `python -m bench`."""
