"""Short questions to the services, asked by `init` when a key is typed and by `doctor` later; none changes anything."""
