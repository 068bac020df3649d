"""From a uint8 batch to network input: crops, enhancement, optical flow; pure functions."""
