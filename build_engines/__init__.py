"""Turns a trained net into an ONNX graph and a TensorRT engine: graph, build, cache and accuracy report."""
