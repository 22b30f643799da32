"""`elva report`: the evaluation of an experiment, from its raw records alone."""
