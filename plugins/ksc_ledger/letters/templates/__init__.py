"""The Word templates, and the script that made their first version."""
