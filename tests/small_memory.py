import contextlib

import torch


@contextlib.contextmanager
def small_memory(model, tokens):
    """Have a model run out of memory in every batch of more than some tokens; yields the sizes that it was given."""
    sizes = []

    def refuse(_module, _args, options):
        sizes.append(options["input_ids"].numel())
        if sizes[-1] > tokens:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {sizes[-1]} GiB.\nMore of it.")

    handle = model.register_forward_pre_hook(refuse, with_kwargs=True)
    try:
        yield sizes
    finally:
        handle.remove()
