"""The composition root: settings become concrete objects, and those become a running agent."""
