"""The speed figures of the README: `make bench`."""
