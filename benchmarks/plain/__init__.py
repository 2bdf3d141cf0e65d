"""The networks and their training the plain way: PyG's own layers on full crystal graphs.

Nothing here is fast on purpose: no quotient graphs, no packed batches, one `Data` object per crystal, and evaluation
one crystal at a time, as the published code works. It is what the benchmarks of the library are measured against, what
tests compare it with, and the shortest way to read what the networks are. Parameter names are those of
`optimetal.models`, so weights go both ways.
"""

import optimetal.layers  # noqa: F401  (imports PyG without its warnings)
