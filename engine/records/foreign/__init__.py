"""What other programs wrote into their images, as requests of Easel's."""
