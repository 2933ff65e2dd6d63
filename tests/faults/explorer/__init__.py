"""Every order of steps and every crash, for small casts of actors that run the service's own code.

An actor is a function of the answers it was given: with the same answers it takes the same next step. So no threads are
needed. A state is what the store holds and how far each actor has come; a step is carried out once for each store it is
met in, and an actor's next step is found by running its code again on the answers so far. States met before are cut off,
and so are orders that make no difference (see `Search`).

usage: python -m tests.faults.explorer --short | --long [--seed N] [--cast NAME]
"""
