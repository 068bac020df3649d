"""Used by all other packages: files, the device, several processes."""
