import optimetal.layers  # noqa: F401  (first: it silences a warning that the import of PyG raises)
