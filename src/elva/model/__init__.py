"""The multimodal model: backbone, processor, rollouts and the embedder built from them."""
