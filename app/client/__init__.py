"""What `./run submit` does with the client of `clients/python`."""
