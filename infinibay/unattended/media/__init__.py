"""The media of an installation: files in, media out. Nothing here knows an answer file, libvirt or the database."""
