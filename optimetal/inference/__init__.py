"""Trained networks for people: a crystal structure in, optical spectra and colour out.

``preparation`` turns a structure into a graph, without torch; ``domain`` warns where a prediction
cannot be trusted; ``models`` finds and loads networks; ``predict`` runs them; ``prediction`` is
what comes out.
"""
