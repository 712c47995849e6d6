"""Arithmetic on arrays in three mirrors (reference, cpu, cuda): caller allocates, ``out`` comes last."""
