"""Files of records: written at once or not at all, and checked."""

import hashlib
import json
import os
import uuid

import tensorflow as tf


class ShardFiles:
    """The files of a folder of records.

    Each shard has a description beside it, which is written last: its size
    and checksum, and what it holds. A shard without one, or that does not
    agree with it, does not count.

    Args:
        folder: str or path; also of a file system that TensorFlow writes to.
        num_shards: int.
    """

    def __init__(self, folder, num_shards):
        self.folder = os.fspath(folder)
        self.num_shards = num_shards

    def path(self, shard):
        name = f"clips-{shard:05d}-of-{self.num_shards:05d}.tfrecord"
        return os.path.join(self.folder, name)

    def write(self, shard, records, describe):
        """Writes a shard.

        Args:
            shard: int. Which one.
            records: iterable of bytes.
            describe: callable, called when all records are written. Returns
                a dict of what else to say of them, ready for JSON.
        """
        path = self.path(shard)
        part = partial(path)
        with tf.io.TFRecordWriter(part) as writer:
            for record in records:
                writer.write(record)
        checked = {**_check(part), **describe()}
        tf.io.gfile.rename(part, path, overwrite=True)
        write_json(_described(path), checked)

    def describe(self, shard):
        """What the description of a shard says; `None` if there is none.

        A shard of another size than it says does not count either.
        """
        path = self.path(shard)
        described = read_json(_described(path))
        if described is None or not tf.io.gfile.exists(path):
            return None
        if tf.io.gfile.stat(path).length != described["bytes"]:
            return None
        return described

    def describe_all(self):
        """What the descriptions of all shards say.

        Raises:
            ValueError: if shards are missing.
        """
        described = list(map(self.describe, range(self.num_shards)))
        missing = [
            shard for shard, found in enumerate(described) if found is None
        ]
        if missing:
            raise ValueError(
                f"{len(missing)} of {self.num_shards} shards in "
                f"'{self.folder}' are missing or cut short, such as "
                f"'{self.path(missing[0])}'. Run `write_records` again: it "
                "writes what is missing."
            )
        return described

    def is_intact(self, shard, **description):
        """Whether a shard is there, with its checksum. Reads all of it.

        Args:
            shard: int. Which one.
            **description: what its description must say beside.
        """
        described = self.describe(shard)
        if described is None or any(
            described[key] != value for key, value in description.items()
        ):
            return False
        checked = _check(self.path(shard))
        return all(described[key] == value for key, value in checked.items())

    def remove_partial(self):
        """Removes what interrupted runs left behind."""
        for path in tf.io.gfile.glob(os.path.join(self.folder, "*.partial-*")):
            tf.io.gfile.remove(path)


def partial(path):
    """A name to write to before a file is given its own.

    Each time another one: two processes may be at work on the same shard.
    """
    return f"{path}.partial-{uuid.uuid4().hex[:8]}"


def write_json(path, value):
    """Writes a JSON file at once or not at all."""
    part = partial(path)
    with tf.io.gfile.GFile(part, "w") as file:
        file.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
    tf.io.gfile.rename(part, path, overwrite=True)


def read_json(path):
    """Reads a JSON file; `None` if there is none."""
    if not tf.io.gfile.exists(path):
        return None
    with tf.io.gfile.GFile(path) as file:
        return json.loads(file.read())


def _described(path):
    return f"{path}.json"


def _check(path):
    digest, size = hashlib.sha256(), 0
    with tf.io.gfile.GFile(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return {"bytes": size, "sha256": digest.hexdigest()}
