"""HTTP on both ports: the players' and the operators'."""
