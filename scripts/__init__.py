"""Programs around the product; the shell scripts beside them are the commands to call."""
