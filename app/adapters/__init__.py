"""One file per neighbour; each translates its neighbour's errors and returns domain objects."""
