"""What a GPU really does with the memory plan: one prepared command for anyone with a card, `make gpu`.

Models are built at their full size with random weights, so that nothing is downloaded. It needs torch, diffusers,
transformers, accelerate and this repository; rows that need more (PyAV, OpenCV) say so and are left out.
"""
