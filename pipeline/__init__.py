"""Everything of Dawnstream that decides or has a side effect; the arithmetic is in ``kernels``."""
