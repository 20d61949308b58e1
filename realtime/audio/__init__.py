"""What is heard: tracks that are copied, microphones, live sound."""
