"""Where the caches of a stream keep its snippets.

A cache has `S + W` slots. The first S hold the first snippets for good, the
attention sinks (Xiao et al., 2024). The others hold the last W of those after,
by turns:

```
slot(t) = t                  for t < S
          S + (t - S) mod W  else
```

So the number of the last snippet says which snippet each slot holds.
"""

from keras import ops


def slot_of(snippets, num_slots, num_sinks=0):
    """The slots that snippets go to.

    Args:
        snippets: int tensor. Indices of snippets.
        num_slots: int. `S + W`.
        num_sinks: int. S, less than `num_slots`.

    Returns:
        An int tensor of the same shape.
    """
    by_turns = num_sinks + (snippets - num_sinks) % (num_slots - num_sinks)
    return ops.where(snippets < num_sinks, snippets, by_turns)


def snippets_in_slots(last, num_slots, num_sinks=0):
    """The snippets that slots hold.

    Args:
        last: int tensor of shape `(rows,)`. Index of the last snippet that was
            written; -1 if there is none.
        num_slots: int. `S + W`.
        num_sinks: int. S, less than `num_slots`.

    Returns:
        An int tensor of shape `(rows, num_slots)`, negative for empty slots.
    """
    slots = ops.arange(num_slots, dtype="int32")[None, :]
    last = last[:, None]
    sinks = ops.where(slots <= last, slots, -1)
    latest = last - (last - slots) % (num_slots - num_sinks)
    latest = ops.where(latest < num_sinks, -1, latest)
    return ops.where(slots < num_sinks, sinks, latest)


def tokens_of(slots, num_joint_tokens):
    """The places of the tokens in slots.

    Args:
        slots: int tensor of shape `(rows, count)`.
        num_joint_tokens: int. `m`.

    Returns:
        An int tensor of shape `(rows, count * m)`.
    """
    tokens = ops.arange(num_joint_tokens, dtype="int32")
    places = ops.expand_dims(slots, 2) * num_joint_tokens + tokens
    return ops.reshape(places, (ops.shape(slots)[0], -1))
