"""What compare_pyuvsim.py and compare_matvis.py share: cases, and the two sides that compute them."""
