"""Several processes that are one proxy: a master, and the workers that it keeps running."""
