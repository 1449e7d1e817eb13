"""How a venue fills orders from bars: pure rules, without clock, chance or I/O."""
