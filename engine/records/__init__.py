"""The metadata of images, Easel's and other programs', and everything that is stored with images. Does not import torch.

``outputs`` saves images, ``metadata`` writes and reads Easel's own record, ``foreign`` reads other programs' records,
``images`` opens image files and handles invisible watermarks, ``blobs`` stores input images, ``history`` indexes the
outputs, ``compare`` says why an image would come out differently now.
"""
