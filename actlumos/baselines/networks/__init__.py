"""Networks of the published systems, as their public code builds them."""
