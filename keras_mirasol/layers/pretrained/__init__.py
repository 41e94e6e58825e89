"""Layers that are made of models of KerasHub."""
