"""What is written in and beside an image, and what is read out of images. Free of torch.

``outputs`` saves, ``metadata`` writes and reads Easel's own record, ``foreign`` reads the records of other programs,
``watermark`` the invisible mark, ``images`` opens any image from the user, ``blobs`` stores it, ``compare`` says
why an image would come out differently now.
"""
