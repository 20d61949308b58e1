"""Nets that other people have trained, as ONNX files that paint."""
