"""A task as a model of lmms-eval."""

from lmms_eval.api.model import lmms

from keras_mirasol.evaluation.answers import KEYS
from keras_mirasol.evaluation.answers import load_clips
from keras_mirasol.evaluation.evaluate import INPUTS
from keras_mirasol.models import MirasolCausalLM


class MirasolForLmmsEval(lmms):
    """Answers the questions of lmms-eval's tasks, from sound and picture.

    ```
    lmms-eval --model mirasol --model_args preset=./mine,inputs=video
    ```

    Of a file both its video and its audio go to the task, unless `inputs`
    takes one away.

    Args:
        preset: str. A preset, or the folder of one. Defaults to
            `"mirasol_tiny"`.
        inputs: `"all"`, `"video"`, `"audio"` or `"text"`. Defaults to `"all"`.
        task: a `MirasolCausalLM`, instead of a preset. Defaults to `None`.
        batch_size, max_batch_size, device: what lmms-eval gives to any model.
            Requests are answered one by one, on the device of the backend.

    Raises:
        ValueError: if `inputs` is none of those, or an argument is not known.
    """

    is_simple = True

    def __init__(
        self,
        preset="mirasol_tiny",
        inputs="all",
        task=None,
        batch_size=1,
        max_batch_size=None,
        device=None,
    ):
        super().__init__()
        if inputs not in INPUTS:
            raise ValueError(
                f"`inputs` must be one of {', '.join(INPUTS)}. Received: "
                f"{inputs!r}"
            )
        self.task = task or MirasolCausalLM.from_preset(preset)
        self.without = INPUTS[inputs]

    def generate_until(self, requests):
        """Answers, as strings, in the order of the requests."""
        answers = []
        for request in requests:
            prompt, settings, doc_to_visual, doc_id, task, split = request.args
            clip = self._clip(doc_to_visual, doc_id, task, split)
            answer = self.task.generate({**clip, "prompts": prompt})
            answers.append(_cut(answer, settings.get("until")))
        return answers

    def loglikelihood(self, requests):
        """Pairs of a continuation's log-likelihood and whether it is written.

        The log-likelihood is the sum over its tokens, its end among them.
        """
        results = []
        for request in requests:
            prompt, target, doc_to_visual, doc_id, task, split = request.args
            if callable(target):
                target = target(self.task_dict[task][split][doc_id])
            clip = self._clip(doc_to_visual, doc_id, task, split)
            target = target.strip()
            (mean,) = self.task.score_choices(clip, prompt, [target])
            count = len(self.task.preprocessor.tokenizer(target)) + 1
            answer = self.task.generate({**clip, "prompts": prompt})
            results.append((float(mean) * count, answer == target))
        return results

    def generate_until_multi_round(self, requests):
        """Refuses: answers do not depend on earlier ones."""
        raise NotImplementedError(
            "keras_mirasol answers questions one by one, without rounds. Use "
            "a task of a single round."
        )

    def _clip(self, doc_to_visual, doc_id, task, split):
        """Video and audio of a document's one file."""
        visuals = doc_to_visual(self.task_dict[task][split][doc_id])
        if len(visuals) != 1 or not isinstance(visuals[0], str):
            raise ValueError(
                "Expected one path of a video or audio file. Received of "
                f"{task}: {[type(visual).__name__ for visual in visuals]}"
            )
        (path,) = visuals
        clips = load_clips(
            [{"media": path}], self.task.preprocessor, self.without
        )
        # A batch of one, and `None` for what it lacks.
        return {key: (clips.get(key) or [None])[0] for key in KEYS.values()}


def _cut(answer, until):
    """An answer up to the first of some texts."""
    ends = [until] if isinstance(until, str) else until or []
    places = [answer.find(end) for end in ends if end]
    return answer[: min((p for p in places if p >= 0), default=len(answer))]
