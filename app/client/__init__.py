"""A client of a running instance, over HTTP alone and the standard library: what `./run submit` is made of."""
