"""VCR-Bench: are the steps towards an answer about a video right, and is the answer?"""

from elva.reasoning.vcr_bench.reading import VcrQuestion, read_questions

__all__ = ["VcrQuestion", "read_questions"]
