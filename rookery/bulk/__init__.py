"""Real networks in bulk: read a data set, load its graph, replay its posts, check the outcome.

For the command line and the tests. May import leaves, domain, store and services.
"""
