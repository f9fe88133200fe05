"""The message bus over Redis Streams, and the bundled Redis server."""
