"""What all readers and writers of files and streams share: decoding, colors, encoders, frame rates, photographs."""
