"""How much is tried: little with every change, much by `make soak`. SOAK=0.2 is a fifth of the long form."""

import os

from django.db import connection

SOAK = float(os.environ.get("SOAK") or 0)


def scaled(short, long, *, postgres=None):
    """Return how often to do something; `postgres` is the pair of both forms there, None the same ones."""
    if postgres and connection.vendor == "postgresql":
        short, long = postgres
    return max(short, round(long * SOAK)) if SOAK else short
