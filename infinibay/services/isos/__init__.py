"""Installation media: the files of the ISO directory, what they hold, and how they come and go."""
