"""HLS and DASH manifests compiled to templates that are rendered for each viewer by one join."""
