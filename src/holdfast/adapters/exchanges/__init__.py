"""Where orders go: each venue behind the same port."""
