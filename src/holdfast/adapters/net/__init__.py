"""What all doors to the outside share."""
