"""Files of picture and sound: safe opening, probing, decoding, encoding, stills and measures.

`magic`, `paths`, `fetch`, `rates` and `sandbox` are light; every other module loads av, numpy, cv2 or PIL and belongs
into a worker or a child process.
"""
