"""TensorRT engines from ONNX graphs: build, cache and run."""
