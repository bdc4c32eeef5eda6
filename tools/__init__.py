"""What keeps the repository, beside the product: never imported by it."""
