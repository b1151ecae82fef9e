"""Models that put an image into words: BLIP and Florence-2 as transformers folders, WD14 taggers as ONNX files."""
