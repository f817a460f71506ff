"""Interfaces to the outside: each takes a wire in, asks the service, and gives its outputs out."""
