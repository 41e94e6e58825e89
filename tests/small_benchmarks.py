"""Miniatures of benchmarks, in the layout of their true files."""

import json


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
