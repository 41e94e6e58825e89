"""A WordNet of a few nouns, in the files of the true one."""

# Of each sense: its word, and the word that it is a kind of.
NOUNS = {
    "entity": None,
    "animal": "entity",
    "dog": "animal",
    "cat": "animal",
    "artifact": "entity",
    "ball": "artifact",
    "run": "entity",
}
_PARTS = ("noun", "verb", "adj", "adv")


def write(folder):
    """Writes it into `folder/corpora/wordnet`, for `NLTK_DATA=folder`."""
    place = folder / "corpora" / "wordnet"
    place.mkdir(parents=True)
    for part in _PARTS:
        for name in (f"index.{part}", f"data.{part}", f"{part}.exc"):
            (place / name).write_text("")
    (place / "lexnames").write_text("00\tnoun.all\t1\n")
    for name in ("index.sense", "cntlist.rev"):
        (place / name).write_text("")
    offsets = dict.fromkeys(NOUNS, 0)
    # Lines are as long whatever the offsets are, which tell where they begin.
    for _ in range(2):
        lines, position = [], 0
        for word, kind in NOUNS.items():
            pointer = (
                "000" if kind is None else f"001 @ {offsets[kind]:08d} n 0000"
            )
            lines.append(
                f"{position:08d} 00 n 01 {word} 0 {pointer} | of a test  \n"
            )
            offsets[word] = position
            position += len(lines[-1])
    (place / "data.noun").write_text("".join(lines))
    (place / "index.noun").write_text(
        "".join(
            f"{word} n 1 1 @ 1 0 {offsets[word]:08d}  \n"
            for word in sorted(NOUNS)
        )
    )
    return folder
