"""Pure functions on tensors: the paper's rewards, the policy loss, and the losses they are compared with."""
