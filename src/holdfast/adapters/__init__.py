"""The outside world, each part behind a port: exchanges, files, stores, machines. They translate and never decide."""
