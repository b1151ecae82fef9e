"""What is written in and beside a picture, and what is read out of pictures. Free of torch.

``outputs`` saves, ``metadata`` writes and reads Easel's own record, ``foreign`` reads the records of other programs,
``watermark`` the invisible mark, ``pictures`` opens any picture from the user, ``blobs`` stores it, ``compare`` says
why a picture would come out differently now.
"""
