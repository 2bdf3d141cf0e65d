"""Layers of graph networks that know multiplicities; a full graph is the case where all are one."""

import warnings

with warnings.catch_warnings():  # PyG still scripts some of its own classes when it is imported
    warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", DeprecationWarning)
    import torch_geometric.nn  # noqa: F401
