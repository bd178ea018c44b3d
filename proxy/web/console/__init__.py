"""The operators' page on the admin port."""
