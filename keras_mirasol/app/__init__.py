"""A page in the browser that asks a model about clips.

```sh
python -m keras_mirasol.app
```

It needs Gradio: `pip install -e '.[demo]' -c constraints.txt`. `--help` lists
the options.
"""
