"""Natural voices for the mini: what they say, and speech with the time of every phone."""
