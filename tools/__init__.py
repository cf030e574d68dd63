"""Programs that developers run on the sources; nothing here is installed."""
