"""ONNX graph to TensorRT engine: build, cache, run."""
