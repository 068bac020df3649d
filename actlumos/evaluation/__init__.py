"""What a trained network is worth: accuracy, embeddings, cost, and the statistics beside them."""
