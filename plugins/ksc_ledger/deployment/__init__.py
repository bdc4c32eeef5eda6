"""What is done to a real deployment from outside it: first start, roles, diagnosis."""
