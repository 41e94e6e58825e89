"""Miniatures of benchmarks, in the layout of their true files."""

import json
import shutil


def write(folder, name, value):
    """Writes a file: text as it is, anything else as JSON."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


def touch(folder, *names):
    """Makes empty files in `folder/media`, and returns that folder."""
    media = folder / "media"
    for name in names:
        (media / name).parent.mkdir(parents=True, exist_ok=True)
        (media / name).touch()
    return media


def answered(lines, answers):
    """The lines, each with its answer."""
    return [
        {**line, "answer": answer}
        for line, answer in zip(lines, answers, strict=True)
    ]


def write_next_qa(folder, clips):
    """Files of NExT-QA about clips, with one question for each."""
    columns = "video,frame_count,width,height,question,answer,qid,type"
    rows = [
        f"{clip},1,64,64,what is seen,{number % 5},{number},DO,a,b,c,d,e"
        for number, clip in enumerate(clips)
    ]
    for split in ("train", "val", "test"):
        text = "\n".join([f"{columns},a0,a1,a2,a3,a4", *rows, ""])
        write(folder, f"{split}.csv", text)


def write_for_examples(folder, clip):
    """Folders of all benchmarks, as examples in docstrings name them.

    Args:
        folder: path. Where they go.
        clip: path of a media file, the clip of what is asked.
    """
    for name in (
        *("videos", "vidor", "Videos", "clips"),
        *("msrvtt_qa", "activitynet_qa/dataset", "nextqa", "nextoe"),
        *("MUSIC-AVQA/data/json", "Daily-Omni", "WorldSense", "vggsound"),
        *("annotations", "lists"),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(clip, folder / "videos" / "video7010.mp4")
    item = {
        "id": 1,
        "video_id": 7010,
        "question": "what is seen?",
        "answer": "dog",
    }
    for split in ("train", "test"):
        write(folder, f"msrvtt_qa/{split}_qa.json", [item])
    for name in ("q", "a"):
        write(folder, f"activitynet_qa/dataset/train_{name}.json", [])
    write_next_qa(folder / "nextqa", [])
    write_next_qa(folder / "nextoe", [])
    write(folder, "MUSIC-AVQA/data/json/avqa-train.json", [])
    write(folder, "Daily-Omni/qa.json", [])
    write(folder, "WorldSense/worldsense_qa.json", {})
    write(folder, "vggsound/vggsound.csv", "")
    write(folder, "annotations/EPIC_Sounds_train.csv", "annotation_id\n")
    write(folder, "lists/my_train.txt", "")
