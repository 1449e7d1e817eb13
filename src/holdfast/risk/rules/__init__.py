"""One module per family of rules; each rule takes a Case and gives the Check that is recorded."""
