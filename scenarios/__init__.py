"""The scenarios that come with the product, and the program that writes them."""
