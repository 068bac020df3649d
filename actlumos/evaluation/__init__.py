"""Tests of a trained network: accuracy, embeddings, cost, and their statistics."""
