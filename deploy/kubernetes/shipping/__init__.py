"""What ship.py does: kubectl and copies of the manifests, rolls and Jobs, production's slots."""
