"""Looking into a machine while it runs (`Watch`, `Sample`) and steering it (`Live`), on either back end."""
