"""The adapter: a file for each node file, and what they share. Only it knows core and ComfyUI."""
