"""Trained net → ONNX → TensorRT engine: the graph, the build, the cache, the comparison with the original."""
