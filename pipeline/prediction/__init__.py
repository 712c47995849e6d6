"""Prediction: the measurement equation over the channels and dumps of one rank."""
