"""Images that machines begin with."""
