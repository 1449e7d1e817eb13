"""Strategies: pure steps that lean towards a position, say why, and never see more than the bars that have closed."""
