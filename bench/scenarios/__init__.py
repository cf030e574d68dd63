"""What the people of `bench/locustfile.py` do. Runs on gevent, within Locust's process only."""
