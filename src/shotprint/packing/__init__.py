"""A manifest becomes one HDF5 file: decoded, mixed, resampled, cropped, ready to train on.

Layout (``shotprint-pack/1``), described for users in ``docs/training.md``:

- ``waveform``: int16, all stored samples one after the other, contiguous
- ``recordings/``: of each recording its length ``n_samples`` and the ``scale`` that turns int16
  into full scale
- ``segments/``: stretches of ``waveform``: ``offset`` there, ``n_samples``, the ``recording``
  (row) and ``start`` in it. A whole recording is one segment from 0; a cropped one has the
  surroundings of its onsets, overlapping ones joined, so that no sample is stored twice.
- ``onsets/``: ``recording`` and ``sample`` in it, strongest first
- ``manifest``: text (n_recordings, n_columns), without the paths; ``failed``: recordings that
  could not be used, with the reason
- attributes: configuration, names of the manifest's columns, labels, hashes, versions

The same recordings and settings give the same bytes, on any number of threads. Until the file
is complete, everything lies in ``<name>.parts/``: a run that was killed goes on from there.
"""

from shotprint.packing.reading import Pack, open_pack
from shotprint.packing.selection import select_recordings
from shotprint.packing.settings import FORMAT, PackSettings, choose_segments
from shotprint.packing.writing import PackReport, pack

__all__ = [
    "FORMAT",
    "Pack",
    "PackReport",
    "PackSettings",
    "choose_segments",
    "open_pack",
    "pack",
    "select_recordings",
]
