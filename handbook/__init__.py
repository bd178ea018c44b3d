"""What the documentation is made and held together with; nothing that runs in the proxy."""
