"""What everything else runs on: files, the device, several processes."""
