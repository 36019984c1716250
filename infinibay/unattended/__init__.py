"""Answer files: from one typed description of an installation to what each installer reads. Values in, bytes out."""
