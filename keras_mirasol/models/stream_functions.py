"""What streams compute, compiled."""

import functools

import keras_hub
from keras import ops

from keras_mirasol.models.compiled_function import compiled_function
from keras_mirasol.models.compiled_function import compiled_step
from keras_mirasol.models.stream_state import observe_snippet


class StreamFunctions:
    """The compiled functions of all streams of a task.

    Args:
        task: a `MirasolCausalLM`.
    """

    def __init__(self, task):
        sampler = task.sampler
        self._sampler = sampler
        self.observe_snippet = compiled_function(
            task,
            functools.partial(observe_snippet, task.backbone),
            donated=(0,),
        )
        self.continue_texts = compiled_function(
            task, task.continue_texts, variables=sampler.variables
        )
        self.begin_texts = compiled_function(task, task.begin_texts)
        next_logits = compiled_step(task, task.next_logits)

        def next_tokens(token_ids, padding_mask, memory, caches, index):
            """Goes on by one token, where the prompts do not say it."""
            logits, _, caches = next_logits(token_ids, memory, caches, index)
            tokens = sampler.get_next_token(
                sampler.compute_probabilities(logits)
            )
            tokens = ops.where(
                padding_mask[:, index],
                token_ids[:, index],
                ops.cast(tokens, token_ids.dtype),
            )
            token_ids = ops.slice_update(token_ids, (0, index), tokens[:, None])
            return tokens, token_ids, caches

        self.next_tokens = compiled_function(
            task, next_tokens, variables=sampler.variables, donated=(3,)
        )

    def check_sampler(self):
        """Refuses samplers that do not choose token by token."""
        if type(self._sampler).__call__ is not _STEPWISE:
            raise ValueError(
                f"`{type(self._sampler).__name__}` does not settle an answer "
                "token by token. Ask without `token_by_token`, or compile the "
                'task with another sampler, such as "greedy".'
            )


# What samplers have in common that choose a token and never take it back.
_STEPWISE = keras_hub.samplers.Sampler.__call__
