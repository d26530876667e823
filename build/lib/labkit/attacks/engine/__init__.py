"""Carries out what a vector decides, on the two connections of each victim."""
