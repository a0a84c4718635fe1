"""Parts of `tests/golden/export_zoo.py`: models, weights, exporters, and the rows of the index."""
