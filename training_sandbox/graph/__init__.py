"""A partner's model as data: ``medtrain.graph/1``, its checks, and the interpreter that runs it."""
