"""The flow: one pure engine that every mode shares, and the driver that feeds it."""
