"""What is wrong with a set of clips, before anything is trained on it.

Every clip is decoded once (`records`, `levels`), its `fingerprints` give candidates for shared
sound, which `comparison` judges by their waveforms (`pairs`); `groups` proposes what must stay
together, `confounds` guesses the class from how clips were made, `findings` says it in sentences;
`auditing` puts these together, `output` and `page` write them.
"""
