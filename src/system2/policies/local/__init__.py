"""The embedded model and its decoder. No torch."""

from system2.policies.local.decoder import Decoder
from system2.policies.local.policy import HOME, OUTSIDE, LocalPolicy, model
from system2.policies.local.tokenizer import Tokenizer
from system2.policies.local.weights import WeightsError

__all__ = ["HOME", "OUTSIDE", "Decoder", "LocalPolicy", "Tokenizer", "WeightsError", "model"]
