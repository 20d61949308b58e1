"""Trained net to ONNX graph: layout, graph, cache."""
