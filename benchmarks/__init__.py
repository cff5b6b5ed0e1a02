"""Figures at the size of a large organization: the real steps on the fakes, with a virtual clock."""
