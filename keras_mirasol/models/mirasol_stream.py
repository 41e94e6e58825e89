"""Watching a video as it comes."""

import json
import os

import keras
import numpy as np
from keras import ops

from keras_mirasol.models.fingerprint import fingerprint
from keras_mirasol.models.snippet_buffer import SnippetBuffer
from keras_mirasol.models.stream_state import choose_rows
from keras_mirasol.models.stream_state import empty_state
from keras_mirasol.models.stream_state import num_slots_of
from keras_mirasol.models.stream_state import with_room
from keras_mirasol.preprocessing.absent import NO_AUDIO
from keras_mirasol.preprocessing.absent import NO_VIDEO
from keras_mirasol.preprocessing.clip_inputs import clip_signals
from keras_mirasol.preprocessing.clip_inputs import count_clips
from keras_mirasol.preprocessing.text_packing import bucket_of_prompts

MODALITIES = ("video", "audio")
# What stands for a character whose bytes are not all there.
_INCOMPLETE = "\N{REPLACEMENT CHARACTER}"


class MirasolStream:
    """Watches a video as it comes, and answers about it at any moment.

    Frames and samples are kept until they fill a snippet, which is then
    encoded once and for all: a question costs its text alone, whatever was
    seen. Snippet latents are those of the whole clip at once. With a window,
    each snippet attends to the `num_sinks` first and the `window` last ones,
    its own among them, and so do answers.

    `MirasolCausalLM.stream()` makes one. All streams of a task share compiled
    functions; they compile for each `batch_size` and number of snippets that
    there is room for, once.

    With `batch_size`, frames, samples, prompts and answers are lists with an
    entry for each stream, `None` where there is nothing new. Streams need not
    keep step.

    Args:
        task: a `MirasolCausalLM` with a preprocessor.
        window, num_sinks, max_snippets, batch_size, modalities: see
            `MirasolCausalLM.stream()`.

    Raises:
        ValueError: if the task has no preprocessor, or an argument is not as
            described.

    Example:
    ```python
    task = keras_mirasol.models.MirasolCausalLM.from_preset("mirasol_tiny")
    stream = task.stream()
    film = keras_mirasol.data.iter_clip(
        "dog.mp4", seconds=0.5, **task.preprocessor.clip_settings
    )
    for span in film:
        stream.observe(span.get("videos"), span.get("audio"))
        stream.ask("what is heard first?")
    stream.finish()
    ```
    """

    def __init__(
        self,
        task,
        window=None,
        num_sinks=4,
        max_snippets=256,
        batch_size=None,
        modalities=MODALITIES,
    ):
        if task.preprocessor is None:
            raise ValueError(
                "A stream needs a preprocessor. Give the task one."
            )
        _check_counts(
            window=window, max_snippets=max_snippets, batch_size=batch_size
        )
        if not isinstance(num_sinks, int) or num_sinks < 0:
            raise ValueError(
                "`num_sinks` must be an int, not negative. Received: "
                f"{num_sinks!r}"
            )
        if isinstance(modalities, str):
            modalities = (modalities,)
        if not modalities or not set(modalities) <= set(MODALITIES):
            raise ValueError(
                '`modalities` must be of "video" and "audio", at least one. '
                f"Received: {modalities!r}"
            )
        self.task = task
        self.window = window
        self.num_sinks = 0 if window is None else num_sinks
        self.max_snippets = max_snippets
        self.batch_size = batch_size
        self.modalities = tuple(m for m in MODALITIES if m in modalities)
        self._is_single = batch_size is None
        self._rows = 1 if self._is_single else batch_size
        self.reset()

    @property
    def num_snippets(self):
        """How many snippets were seen; of a batch a list."""
        return self._for_each([b.num_snippets for b in self._buffers])

    def reset(self, index=None):
        """Forgets what was seen, and begins anew.

        Args:
            index: int. Which stream of a batch. Defaults to `None`, all.

        Raises:
            ValueError: if there is no such stream.
        """
        backbone = self.task.backbone
        if index is None:
            num_slots = self.max_snippets
            if self.window is not None:
                num_slots = self.num_sinks + self.window
            self._state = empty_state(backbone, self._rows, num_slots)
            self._buffers = [self._empty_buffer() for _ in range(self._rows)]
            return
        self._check_index(index)
        self._state = choose_rows(
            ops.arange(self._rows) == index,
            empty_state(backbone, self._rows, self._num_slots()),
            self._state,
        )
        self._buffers[index] = self._empty_buffer()

    def observe(self, frames=None, audio=None):
        """Takes in what has come, any number of frames and samples.

        Args:
            frames: uint8 array `(frames, height, width, 3)`, at the frame rate
                of the preprocessor. Defaults to `None`, no new ones.
            audio: float array `(samples,)` from -1 to 1, at the sampling rate
                of the preprocessor. Defaults to `None`, no new ones.

        Returns:
            The latents of the snippets that are complete by now, a tensor of
            shape `(snippets, m, hidden_dim)`. For a batch, a list of these.

        Raises:
            ValueError: if frames or samples are not as described, or were not
                to come.

        Example:
        ```python
        stream.observe(camera_frames, microphone_samples)
        stream.observe(audio=microphone_samples)
        ```
        """
        pieces = self._pieces(frames, audio)
        for buffer, piece in zip(self._buffers, pieces, strict=True):
            buffer.check(*piece)
        for buffer, piece in zip(self._buffers, pieces, strict=True):
            buffer.push(*piece)
        return self._take_in()

    def finish(self, modality=None, index=None):
        """Says that no more will come.

        What is left over is treated as at the end of a clip: cut or filled to
        the nearest whole number of snippets, video with its last frame, audio
        with silence. Where one modality ended sooner, it is masked.

        Args:
            modality: `"video"` or `"audio"`, if the other goes on. Defaults
                to `None`, both have ended.
            index: int. Which stream of a batch. Defaults to `None`, all.

        Returns:
            Latents of the last snippets, as `observe()`.

        Raises:
            ValueError: if there is no such modality or stream.
        """
        if modality not in (None, *MODALITIES):
            raise ValueError(
                f'`modality` must be "video" or "audio". Received: {modality!r}'
            )
        buffers = self._buffers
        if index is not None:
            self._check_index(index)
            buffers = buffers[index : index + 1]
        for buffer in buffers:
            for ended in (modality,) if modality else MODALITIES:
                buffer.finish(ended)
        return self._take_in()

    def ask(
        self,
        prompt,
        max_length=None,
        stop_token_ids="auto",
        token_by_token=False,
        choices=None,
    ):
        """Answers about what was seen up to now, which stays as it is.

        Args:
            prompt: str, or list of strings to be answered together. For a
                batch a list with a string for each stream, or `None` where
                nothing is asked.
            max_length: int. Most tokens of a prompt and its answer together.
                Defaults to `None`, the preprocessor's `sequence_length`.
            stop_token_ids: `"auto"`, `None` or a tuple of ints. Tokens that
                end an answer. Defaults to `"auto"`, the tokenizer's end.
            token_by_token: bool. Whether to give the answer piece by piece, as
                it is made. Joined, the pieces are the answer. It is about what
                had been seen when it was asked. Defaults to `False`.
            choices: list of strings that the answer is to be one of, or such
                a list for each prompt; see `MirasolCausalLM.generate()`.
                Defaults to `None`, answers are free.

        Returns:
            A string, or a list of strings, as of the prompt. With
            `token_by_token`, an iterator of pieces, strings or lists of them.

        Raises:
            ValueError: if `prompt` is not as described or leaves no room for
                an answer, the sampler cannot tell tokens one by one, or
                `choices` are not as described or are given `token_by_token`.

        Example:
        ```python
        stream.ask("what is red?")
        stream.ask("what is heard?", choices=["bell", "drum"])
        for piece in stream.ask("what is heard?", token_by_token=True):
            print(piece, end="", flush=True)
        ```
        """
        prompts = self._prompts(prompt)
        functions = self.task.stream_functions
        asked = [text or "" for text in prompts]
        texts = self.task.preprocessor.preprocess_texts(
            np.array(asked, object), sequence_length=max_length
        )
        stops = self._stop_token_ids(stop_token_ids)
        if token_by_token:
            if choices is not None:
                raise ValueError(
                    "Answers among `choices` are given whole. Leave out "
                    "`token_by_token`."
                )
            functions.check_sampler()
            pieces = self._pieces_of_answers(texts, stops)
            return (_as_asked(prompt, prompts, piece) for piece in pieces)
        inputs = [
            texts["token_ids"],
            texts["padding_mask"],
            self._state["memory"],
        ]
        if choices is not None:
            inputs.append(
                self.task.preprocessor.preprocess_choices(
                    choices,
                    prompt if isinstance(prompt, str) else asked,
                    texts["padding_mask"],
                )
            )
        outputs = functions.continue_texts(
            *inputs,
            stop_token_ids=stops,
            prompt_length=bucket_of_prompts(texts["padding_mask"]),
        )
        answer_mask = ops.convert_to_numpy(outputs["padding_mask"])
        answers = self.task.preprocessor.generate_postprocess(
            {
                "token_ids": outputs["token_ids"],
                "padding_mask": answer_mask & ~texts["padding_mask"],
            }
        )
        return _as_asked(prompt, prompts, answers)

    def save(self, path):
        """Saves what was seen, and what fills no snippet yet.

        Args:
            path: str or path of a file, `.npz` by custom. It is replaced when
                all is written.
        """
        arrays = {"settings": np.array(json.dumps(self._settings()))}
        for key, tensor in _by_path(self._state):
            if keras.backend.is_float_dtype(tensor.dtype):
                # NumPy has no bfloat16.
                tensor = ops.cast(tensor, "float32")
            arrays[f"state/{key}"] = ops.convert_to_numpy(tensor)
        for row, buffer in enumerate(self._buffers):
            for key, array in buffer.get_state().items():
                arrays[f"buffer/{row}/{key}"] = array
        unfinished = f"{os.fspath(path)}.part"
        with open(unfinished, "wb") as file:
            np.savez(file, **arrays)
        os.replace(unfinished, path)

    def restore(self, path):
        """Goes on from where `save()` was called.

        In another process, or on another backend, as well.

        Args:
            path: str or path of the file.

        Raises:
            ValueError: if it was saved by another model, or by a stream of
                other settings.
        """
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        saved, own = json.loads(str(arrays["settings"])), self._settings()
        if saved != own:
            raise ValueError(
                f"'{os.fspath(path)}' was saved by another model or with other "
                f"settings: {saved}. This stream has {own}. Make the stream "
                "with the task and the arguments of the one that was saved."
            )
        backbone = self.task.backbone
        num_slots = num_slots_of(backbone, arrays["state/memory/memory_mask"])
        state = empty_state(backbone, self._rows, num_slots)
        self._state = keras.tree.pack_sequence_as(
            state,
            [
                # A copy: what comes next may take its memory.
                ops.copy(ops.cast(arrays[f"state/{key}"], tensor.dtype))
                for key, tensor in _by_path(state)
            ],
        )
        for row, buffer in enumerate(self._buffers):
            prefix = f"buffer/{row}/"
            buffer.set_state(
                {
                    key.removeprefix(prefix): arrays[key]
                    for key in arrays
                    if key.startswith(prefix)
                }
            )

    def _empty_buffer(self):
        return SnippetBuffer(self.task.preprocessor, self.modalities)

    def _for_each(self, values):
        """Values of all streams, in the form that the user has."""
        return values[0] if self._is_single else values

    def _check_index(self, index):
        if not isinstance(index, int) or not 0 <= index < self._rows:
            raise ValueError(
                f"`index` must be in [0, {self._rows}), a stream of the batch. "
                f"Received: {index!r}"
            )

    def _pieces(self, frames, audio):
        """What has come of each stream: frames and samples."""
        if frames is None and audio is None:
            return [(NO_VIDEO, NO_AUDIO)] * self._rows
        signals = {"videos": frames, "audio": audio}
        count = count_clips(signals)
        if count != self.batch_size:
            expected = (
                "one stream: an array of frames and one of samples"
                if self._is_single
                else f"{self._rows} streams: lists of as many arrays, or `None`"
            )
            received = "one clip" if count is None else f"{count} clips"
            raise ValueError(f"Expected {expected}. Received: {received}.")
        return clip_signals(signals)

    def _take_in(self):
        """Observes the snippets that are complete; returns their latents."""
        taken = [buffer.take() for buffer in self._buffers]
        counts = [len(x["video_mask"]) if x else 0 for x in taken]
        self._make_room()
        steps = []
        for t in range(max(counts)):
            self._state, latents = self.task.stream_functions.observe_snippet(
                self._state,
                self._snippets_at(t, taken, counts),
                window=self.window,
                num_sinks=self.num_sinks,
            )
            steps.append(latents)
        backbone = self.task.backbone
        shape = (0, backbone.num_joint_tokens, backbone.hidden_dim)
        return self._for_each(
            [
                ops.stack([latents[row] for latents in steps[:count]])
                if count
                else ops.zeros(
                    shape, backbone.snippet_transformer.compute_dtype
                )
                for row, count in enumerate(counts)
            ]
        )

    def _num_slots(self):
        """How many snippets there is room for."""
        memory_mask = self._state["memory"]["memory_mask"]
        return num_slots_of(self.task.backbone, memory_mask)

    def _make_room(self):
        most = max(buffer.num_snippets for buffer in self._buffers)
        num_slots = room = self._num_slots()
        while self.window is None and room < most:
            room *= 2
        if room > num_slots:
            self._state = with_room(self.task.backbone, self._state, room)

    def _snippets_at(self, t, taken, counts):
        """Features of the snippets `t` of all streams that have one."""
        some = taken[counts.index(max(counts))]
        is_new = np.array(counts) > t
        spans = {key: len(some[key]) // max(counts) for key in some}
        snippets = {
            key: np.zeros(
                (self._rows, span, *some[key].shape[1:]), some[key].dtype
            )
            for key, span in spans.items()
        }
        for row in np.flatnonzero(is_new):
            for key, span in spans.items():
                snippets[key][row] = taken[row][key][t * span :][:span]
        # What is chosen from is copied: not where there is no choice.
        return snippets if self._is_single else {**snippets, "is_new": is_new}

    def _prompts(self, prompt):
        """Prompts, one or several for one stream, or one for each."""
        prompts = [prompt] if isinstance(prompt, str) else prompt
        is_list = isinstance(prompts, (list, tuple)) and len(prompts)
        kinds = str if self._is_single else (str, type(None))
        if (
            not is_list
            or not all(isinstance(text, kinds) for text in prompts)
            or not self._is_single
            and (isinstance(prompt, str) or len(prompts) != self._rows)
        ):
            expected = (
                "a string, or a list of strings"
                if self._is_single
                else f"a list of {self._rows} strings or `None`, one a stream"
            )
            raise ValueError(
                f"`prompt` must be {expected}. Received: {prompt!r}"
            )
        return list(prompts)

    def _stop_token_ids(self, stop_token_ids):
        if stop_token_ids != "auto":
            return stop_token_ids and tuple(stop_token_ids)
        tokenizer = self.task.preprocessor.tokenizer
        # Some tokenizers of KerasHub have two, as `generate()` knows.
        second = getattr(tokenizer, "end_token2_id", None)
        stops = (tokenizer.end_token_id, second)
        return tuple(stop for stop in stops if stop is not None)

    def _pieces_of_answers(self, texts, stops):
        """Makes answers token by token, and tells what each token adds."""
        # A copy: the next snippet takes the memory of this one.
        memory = keras.tree.map_structure(ops.copy, self._state["memory"])
        return self._tell(texts, stops, memory)

    def _tell(self, texts, stops, memory):
        functions = self.task.stream_functions
        token_ids, padding_mask = texts["token_ids"], texts["padding_mask"]
        prompt_lengths = padding_mask.sum(axis=1)
        rows, length = token_ids.shape
        _, caches = functions.begin_texts(
            token_ids, memory, prompt_length=bucket_of_prompts(padding_mask)
        )
        answers, told = [[] for _ in range(rows)], [""] * rows
        has_ended = [False] * rows
        for index in range(prompt_lengths.min(), length):
            tokens, token_ids, caches = functions.next_tokens(
                token_ids, padding_mask, memory, caches, np.int32(index)
            )
            pieces = [""] * rows
            for row, token in enumerate(ops.convert_to_numpy(tokens).tolist()):
                if has_ended[row] or index < prompt_lengths[row]:
                    continue
                answers[row].append(token)
                is_stop = stops is not None and token in stops
                has_ended[row] = is_stop or index == length - 1
                text = self._text(answers[row])
                if not has_ended[row]:
                    text = text.rstrip(_INCOMPLETE)
                pieces[row] = text[len(told[row]) :]
                told[row] = text
            if any(pieces):
                yield pieces
            if all(has_ended):
                return

    def _text(self, token_ids):
        token_ids = np.array([token_ids])
        (text,) = self.task.preprocessor.generate_postprocess(
            {"token_ids": token_ids, "padding_mask": np.ones_like(token_ids)}
        )
        return text

    def _settings(self):
        return {
            "model": fingerprint(self.task.backbone, self.task.preprocessor),
            "window": self.window,
            "num_sinks": self.num_sinks,
            "batch_size": self.batch_size,
            "modalities": list(self.modalities),
        }


def _check_counts(**counts):
    for name, count in counts.items():
        is_count = isinstance(count, int) and count > 0
        if not is_count and (count is not None or name == "max_snippets"):
            raise ValueError(
                f"`{name}` must be a positive int. Received: {count!r}"
            )


def _as_asked(prompt, prompts, answers):
    """Answers in the form of the prompt; none where nothing was asked."""
    if isinstance(prompt, str):
        return answers[0]
    return [
        None if text is None else answer
        for text, answer in zip(prompts, answers, strict=True)
    ]


def _by_path(state):
    """Tensors of a nested state with a text for where each is."""
    for path, tensor in keras.tree.flatten_with_path(state):
        yield "/".join(map(str, path)), tensor
