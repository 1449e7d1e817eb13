"""Where bars come from: recorded files, exports of exchanges, and a seeded synthetic market."""
