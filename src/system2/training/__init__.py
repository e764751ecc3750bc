"""Training of the embedded model. The only room that needs torch."""
