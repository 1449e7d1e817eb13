"""What tests are made of: builders, a journal in memory, hostile markets, the simulation. Nothing shipped imports it."""
