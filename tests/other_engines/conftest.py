"""Scripts for another environment are no tests."""

collect_ignore = ["engines.py", "recipe.py"]
