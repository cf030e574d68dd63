"""The engine for clusters: a MongoDB replica set or sharded cluster; every process writes."""

from rookery.store.mongo.reader import MongoReader
from rookery.store.mongo.startup import prepare
from rookery.store.mongo.store import MongoStore
from rookery.store.mongo.writer import MongoWriter

__all__ = ["MongoReader", "MongoStore", "MongoWriter", "prepare"]
